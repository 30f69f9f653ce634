"""
Trains tiny tokenizers of every kind with Hugging Face's `tokenizers`, and writes what it makes of a corpus with every script:

    python scripts/parity/text_tokenizers.py FOLDER [--full]

FOLDER/NAME.json            the tokenizer
FOLDER/corpus.json          texts, and pairs of texts
FOLDER/digests.json         of each tokenizer and text, the first 10 hex digits of the SHA-1 of JSON [ids, type ids, starts, ends]
                            (offsets in characters), and of the decoded text
FOLDER/full.json            the same in full, with --full
FOLDER/cut.json             truncation and windows, in full

The tests read the folder test/fixtures/tokenizers; `npm run parity:text` makes it anew and compares in full.
Needs tokenizers (written with 0.23.3) and sentencepiece (0.2), which compiles a small character map.
"""
import base64
import hashlib
import io
import json
import os
import random
import sys
import tempfile
import unicodedata

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

folder = sys.argv[1]
full = "--full" in sys.argv
os.makedirs(folder, exist_ok=True)

english = """Modelport turns a trained model file into a production service. The quick brown fox jumps over the lazy dog.
It wasn't me, I'm sure they'll say we've done it! Don't you think so? 3.14159 is not 22/7, and 1,000,000 isn't 10^6...
Hugging Face Inc. is a company based in New York City. Its headquarters are in DUMBO, very close to the Manhattan Bridge.
def tokenize(text: str) -> list[int]:\n    return [ord(c) for c in text]  # characters
A movie so bad that it is good; I loved every minute of it. Terrible acting, awful plot, but what a soundtrack!
The cat sat on the mat. The dogs were running, jumping and playing in the unbelievable sunshine of San Francisco.""".split("\n")

human = [
    "Zażółć gęślą jaźń. Příliš žluťoučký kůň úpěl ďábelské ódy.",
    "Voix ambiguë d'un cœur qui, au zéphyr, préfère les jattes de kiwis. Straße, Ångström, naïve façade",
    "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. ΟΔΥΣΣΕΥΣ ΣΑΣ",
    "نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر",
    "דג סקרן שט בים מאוכזב ולפתע מצא חברה",
    "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश",
    "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า",
    "키스의 고유조건은 입술끼리 만나야 하고 특별한 기술은 필요치 않다.",
    "\u1100\u1161\u11a8 \uac01\u11a8 \u1112\u1161\u11ab",
    "いろはにほへと ちりぬるを。カタカナ、ﾊﾝｶｸ！東京都",
    "我能吞下玻璃而不伤身体。𠀀𪜀\uf900豈",
    "Tiếng Việt: Trăm năm trong cõi người ta",
    unicodedata.normalize("NFD", "Tiếng Việt ñ é Å"),
    "İstanbul'da ığdır IĞDIR i̇",
    "ﬁ ﬂ ﬃ ㎏ ① ² ½ Ⅷ ℌ ™ … ﷺ",
    "😀 👍🏽 👨‍👩‍👧‍👦 🇩🇪🇫🇷 ❤️ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 1️⃣ 🤷🏾‍♀️",
    "tabs\tand\nnewlines\r\n\r\n  and   spaces 　 nbsp zero\u200bwidth\u200djoiner\ufeff",
    "control\x00\x01\x7f\x80\x85\xadsoft \ufffd \u2028 \u2029 end",
    " leading and trailing ",
    "   ",
    "",
    ".",
    "[CLS] hello [MASK] world [SEP][PAD] <s>x</s> <mask>  <pad> [mask]",
    "  [MASK]  after  <mask>  and <|endoftext|>text <newtoken>newtokens tokennew word",
    "a" * 120 + " " + "ab" * 60,
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "https://example.com/path?query=1&other=%20#fragment user@example.com +49-30-123456",
    "e\u0301e\u0301\u0323\u0302 a\u0323\u0302 \u0301alone q\u0307\u0323",
    "𝒜𝔅ℂ 𝟘𝟙𝟚 ＡＢＣ１２３ ｱｲｳ",
    "₿ € £ ¥ § ¶ † ‡ • ‰ « » „ “ ” ‘ ’ – —",
    "'s 't 're 've 'm 'll 'd 'S 'T 'LL I'LL WE'VE ſ 'ſ",
    "x=1;y=2;\n\n\n\tif (x<y) { return x+y; }   // sum\n",
    "1234567890 12345 ١٢٣٤ १२३४ 三百",
    "▁already▁meta ▁ space",
    "Ġbyte Ċlevel ĠĠ characters âĢĻ",
]


def every_script():
    """Runs of letters of every block: 12 neighbours of each 256 characters, with marks and signs as they come."""
    texts = []
    for start in list(range(0, 0x3400, 128)) + list(range(0xA000, 0xD800, 512)) + list(range(0xF900, 0x10000, 128)) + list(range(0x10000, 0x1FB00, 512)) + [0x20000, 0x2F800, 0x30000, 0xE0100]:
        picked = [chr(code) for code in range(start, start + 128) if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co")]
        if picked:
            texts.append("".join(picked[:9]) + " " + "".join(picked[9:40:3]) + "x" + picked[-1])
    return texts


def noise(count):
    generator = random.Random(7)
    pieces = list("abcdeXYZ019 .,!'-_\n\t") + ["é", "e\u0301", "ß", "中", "한", "한", "😀", "👍🏽", "\u200d", "ا", "ि", "[MASK]", "<mask>", " ", "  ", "the", " the", "ing", "\u00a0", "ﬁ", "Σ", "İ"]
    return ["".join(generator.choice(pieces) for _ in range(generator.randint(1, 40))) for _ in range(count)]


corpus = english + human + every_script() + noise(60)
pairs = [[english[0], english[2]], ["who?", human[0]], ["", "x"], ["x", ""], [human[16], human[10]], [" a [MASK]", " b <mask>"]]
training = english * 4 + human + noise(20)


def save(name, tokenizer, tokens=()):
    tokenizer.add_tokens([AddedToken("<newtoken>", normalized=True), AddedToken("word", single_word=True, normalized=False, special=False), *tokens])
    tokenizer.save(os.path.join(folder, name + ".json"), pretty=False)
    made[name] = tokenizer


def train(tokenizer, trainer):
    tokenizer.train_from_iterator(training, trainer)
    return tokenizer


made = {}

# BERT, uncased and cased.
bert_special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
for name, lower in (("bert-uncased", True), ("bert-cased", False)):
    bert = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    bert.normalizer = normalizers.BertNormalizer(lowercase=lower)
    bert.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    train(bert, trainers.WordPieceTrainer(vocab_size=500, special_tokens=bert_special, limit_alphabet=160, show_progress=False))
    bert.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    bert.decoder = decoders.WordPiece()
    save(name, bert, [AddedToken("[MASK]", lstrip=True, special=True)])

# The older way to write BERT's post-processor; accents kept.
old = Tokenizer.from_str(made["bert-uncased"].to_str())
old.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False, handle_chinese_chars=False, clean_text=False)
old.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
save("bert-processing", old)

# GPT-2: bytes, nothing is unknown.
gpt = Tokenizer(models.BPE())
gpt.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
train(gpt, trainers.BpeTrainer(vocab_size=420, special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
gpt.post_processor = processors.ByteLevel(trim_offsets=False)
gpt.decoder = decoders.ByteLevel()
save("gpt2", gpt)

# RoBERTa.
roberta = Tokenizer(models.BPE())
roberta.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
train(roberta, trainers.BpeTrainer(vocab_size=420, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
roberta.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=True)
roberta.decoder = decoders.ByteLevel()
save("roberta", roberta, [AddedToken("<mask>", lstrip=True, special=True)])

# Llama 3: a regular expression of its own, whole words first.
llama3 = Tokenizer(models.BPE(ignore_merges=True))
llama3.pre_tokenizer = pre_tokenizers.Sequence([
    pre_tokenizers.Split(Regex(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"), "isolated"),
    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
])
train(llama3, trainers.BpeTrainer(vocab_size=420, special_tokens=["<|begin_of_text|>", "<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
llama3.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|>:1 $B:1", special_tokens=[("<|begin_of_text|>", 0)])])
llama3.decoder = decoders.ByteLevel()
save("llama3", llama3)

# Possessive quantifiers and digits one by one (Qwen, GPT-4).
qwen = Tokenizer.from_str(gpt.to_str())
qwen.normalizer = normalizers.NFC()
qwen.pre_tokenizer = pre_tokenizers.Sequence([
    pre_tokenizers.Split(Regex(r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"), "removed", invert=True),
    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
])
save("possessive", qwen)

# Llama 2: characters, bytes for what is unknown.
llama2 = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
llama2.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
train(llama2, trainers.BpeTrainer(vocab_size=560, special_tokens=["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)], limit_alphabet=90, show_progress=False))
llama2.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
llama2.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
save("llama2", llama2)

# CLIP.
clip = Tokenizer(models.BPE(unk_token="<|endoftext|>", continuing_subword_prefix="", end_of_word_suffix="</w>"))
clip.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
clip.pre_tokenizer = pre_tokenizers.Sequence([
    pre_tokenizers.Split(Regex(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), "removed", invert=True),
    pre_tokenizers.ByteLevel(add_prefix_space=False),
])
train(clip, trainers.BpeTrainer(vocab_size=640, special_tokens=["<|startoftext|>", "<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), end_of_word_suffix="</w>", show_progress=False))
clip.post_processor = processors.RobertaProcessing(("<|endoftext|>", 1), ("<|startoftext|>", 0), trim_offsets=False, add_prefix_space=False)
clip.decoder = decoders.ByteLevel()
save("clip", clip)


# T5, XLM-RoBERTa: SentencePiece's Unigram with its character map (a small one: rules of our own).
def character_map():
    import sentencepiece

    rules = [("\t", " "), ("\n", " "), ("\r", " "), ("\u00a0", " "), ("\u3000", " "), ("ﬁ", "fi"), ("ﬃ", "ffi"), ("½", "1⁄2"), ("①", "1"), ("㎏", "kg"), ("…", "..."), ("Ａ", "A"), ("Ｂ", "B"), ("１", "1"), ("ｱ", "ア"), ("e\u0301", "é"), ("a\u0323\u0302", "ậ"), ("\u200b", " "), ("\ufeff", ""), ("\u1100\u1161\u11a8", "\uac01"), ("ß", "ss"), ("\uf900", "\u8c48")]
    with tempfile.TemporaryDirectory() as temporary:
        path = os.path.join(temporary, "rules.tsv")
        with open(path, "w") as file:
            for source, target in rules:
                file.write(" ".join(f"{ord(c):X}" for c in source) + "\t" + " ".join(f"{ord(c):X}" for c in target) + "\n")
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(english * 4), model_writer=model, vocab_size=100, normalization_rule_tsv=path, minloglevel=2, hard_vocab_limit=False)
    # ModelProto.normalizer_spec (3) . precompiled_charsmap (2)
    def fields(data):
        at = 0
        def varint():
            nonlocal at
            value = shift = 0
            while True:
                byte = data[at]; at += 1
                value |= (byte & 127) << shift
                if byte < 128: return value
                shift += 7
        while at < len(data):
            tag = varint()
            if tag & 7 == 2:
                size = varint(); yield tag >> 3, data[at:at + size]; at += size
            elif tag & 7 == 0: varint()
            elif tag & 7 == 5: at += 4
            else: at += 8
    for number, value in fields(model.getvalue()):
        if number == 3:
            for inner, content in fields(value):
                if inner == 2: return content
    raise SystemExit("no character map")


charsmap = character_map()
unigram = Tokenizer(models.Unigram())
unigram.normalizer = normalizers.Sequence([normalizers.Precompiled(charsmap), normalizers.Replace(Regex(" {2,}"), " ")])
unigram.pre_tokenizer = pre_tokenizers.Metaspace()
unigram.train_from_iterator(english * 4 + human[:5] + [human[10]], trainers.UnigramTrainer(vocab_size=420, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False))
unigram.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
unigram.decoder = decoders.Metaspace()
save("xlm-roberta", unigram, [AddedToken("<mask>", lstrip=True, special=True)])

# ALBERT: lower case, no accents.
albert = Tokenizer.from_str(unigram.to_str())
albert.normalizer = normalizers.Sequence([normalizers.Replace("``", '"'), normalizers.Replace("''", '"'), normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Precompiled(charsmap), normalizers.Strip(), normalizers.Nmt()])
albert.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
save("albert", albert)

# Whole words, and the other pre-tokenizers.
words = Tokenizer(models.WordLevel(unk_token="[UNK]"))
words.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
words.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True)])
train(words, trainers.WordLevelTrainer(vocab_size=200, special_tokens=["[UNK]"], show_progress=False))
save("words", words)

mixed = Tokenizer.from_str(gpt.to_str())
mixed.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.Strip(left=True, right=False)])
mixed.pre_tokenizer = pre_tokenizers.Sequence([
    pre_tokenizers.WhitespaceSplit(),
    pre_tokenizers.Punctuation("merged_with_previous"),
    pre_tokenizers.Digits(individual_digits=False),
    pre_tokenizers.Split(Regex(r"[aeiou]"), "merged_with_next"),
    pre_tokenizers.Split("t", "contiguous"),
    pre_tokenizers.CharDelimiterSplit("-"),
    pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True),
])
mixed.post_processor = processors.ByteLevel(trim_offsets=True)
save("mixed", mixed)


def row(encoding):
    return [encoding.ids, encoding.type_ids, [start for start, _ in encoding.offsets], [end for _, end in encoding.offsets]]


def digest(value):
    return hashlib.sha1(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()[:10]


rows, digests, cut = {}, {}, {}
for name, tokenizer in made.items():
    tokenizer.no_truncation()
    encodings = [tokenizer.encode(text) for text in corpus] + [tokenizer.encode(*pair) for pair in pairs]
    rows[name] = [[*row(encoding), tokenizer.decode(encoding.ids)] for encoding in encodings]
    digests[name] = [digest(one) for one in rows[name]]
for name in ("bert-uncased", "roberta", "xlm-roberta"):
    tokenizer = made[name]
    cases = []
    for options in ({"max_length": 10, "stride": 0}, {"max_length": 16, "stride": 5}, {"max_length": 12, "stride": 3, "direction": "left"}):
        tokenizer.enable_truncation(**options, strategy="longest_first")
        encoding = tokenizer.encode(english[1])
        cases.append({"options": options, "text": english[1], "windows": [row(one) for one in [encoding, *encoding.overflowing]]})
    for strategy in ("longest_first", "only_first", "only_second"):
        tokenizer.enable_truncation(max_length=20, stride=0 if strategy == "longest_first" else 4, strategy=strategy)
        first, second = (english[1], "why?") if strategy == "only_first" else ("how so?", english[4])
        encoding = tokenizer.encode(first, second)
        windows = [encoding] if strategy == "longest_first" else [encoding, *encoding.overflowing]
        cases.append({"options": {"max_length": 20, "stride": 0 if strategy == "longest_first" else 4, "strategy": strategy}, "text": first, "pair": second, "windows": [row(one) for one in windows]})
    cut[name] = cases


def write(name, value):
    with open(os.path.join(folder, name), "w") as file:
        json.dump(value, file, ensure_ascii=False, separators=(",", ":"))


write("corpus.json", {"texts": corpus, "pairs": pairs})
write("digests.json", digests)
write("cut.json", cut)
if full:
    write("full.json", rows)
print(f"{len(made)} tokenizers, {len(corpus)} texts, {len(pairs)} pairs, {sum(len(one[0]) for all in rows.values() for one in all)} tokens")
