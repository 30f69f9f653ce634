use std::collections::BTreeMap;

/// How often each word is in a text.
fn count_words(text: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for word in text.split_whitespace() {
        *counts.entry(word.to_lowercase()).or_insert(0) += 1;
    }
    counts
}

fn main() {
    for (word, count) in count_words("The fox and the dog and the bird") {
        println!("{word}: {count}");
    }
}
