//! Titles, made of the words of a script.

use std::collections::HashSet;

use super::random::Random;
use super::round;
use crate::bench::words::Script;

/// `count` different titles in byte order.
pub(super) fn titles(random: &mut Random, vocabulary: &Vocabulary, count: usize) -> Vec<String> {
    let mut titles = HashSet::with_capacity(count);
    if count > 3 {
        // Every real domain has this one: a request whose title could not be told.
        titles.insert("-".to_owned());
    }
    while titles.len() < count {
        let mut title = vocabulary.title(random);
        if titles.contains(&title) {
            title.push_str("_(");
            title.push_str(&random.below(3000).to_string());
            title.push(')');
        }
        titles.insert(title);
    }
    let mut titles: Vec<String> = titles.into_iter().collect();
    titles.sort_unstable();
    titles
}

/// The words of a script: a few thousand, the first ones used most.
#[derive(Debug)]
pub(in crate::bench) struct Vocabulary {
    words: Vec<String>,
}

impl Vocabulary {
    pub(in crate::bench) fn of(script: &Script) -> Self {
        let mut random = Random::new(script.seed);
        let words = (0..script.words)
            .map(|_| {
                let syllables =
                    script.shortest + random.below(script.longest - script.shortest + 1);
                let mut word: String = (0..syllables)
                    .map(|_| script.syllables[random.below(script.syllables.len())])
                    .collect();
                if script.capitals && random.chance(0.8) {
                    word[..1].make_ascii_uppercase();
                }
                word
            })
            .collect();
        Self { words }
    }

    pub(in crate::bench) fn word(&self, random: &mut Random) -> &str {
        // Squaring leans towards the front, as words do.
        let x = random.unit();
        &self.words[round(x * x * (self.words.len() - 1) as f64)]
    }

    pub(in crate::bench) fn title(&self, random: &mut Random) -> String {
        let mut title = String::new();
        match random.below(1000) {
            // A part in quotes: with the odd backslash, which Spark then escapes too.
            0 | 1 => {
                title.push_str(self.word(random));
                title.push_str("_\"");
                title.push_str(self.word(random));
                title.push_str(if random.chance(0.1) { "\\" } else { "\"" });
                title.push_str(if random.chance(0.5) { "" } else { "\"_x" });
                if !title.contains('"') {
                    title.push('"');
                }
                return title;
            }
            2..=11 => title.push_str("File:"),
            12..=21 => title.push_str("Category:"),
            22..=31 => title.push_str("Special:"),
            32..=36 => title.push_str("User:"),
            37..=56 => {
                title.push_str(&(1000 + random.below(1030)).to_string());
                title.push('_');
            }
            // Raw backslashes stay raw.
            57 => title.push_str("AC\\DC_"),
            _ => {}
        }
        let words = 1 + random.below(4);
        for n in 0..words {
            if n > 0 {
                title.push_str(if random.chance(0.03) { ",_" } else { "_" });
            }
            title.push_str(self.word(random));
        }
        if random.chance(0.12) {
            title.push_str("_(");
            title.push_str(self.word(random));
            title.push(')');
        }
        title
    }
}
