//! The words that titles are made of, by script: the syllables are real, the words are not.

/// How to make words of a script.
#[derive(Debug)]
pub(super) struct Script {
    /// What its words are made with: no two scripts share words.
    pub(super) seed: u64,
    /// How many words its languages know.
    pub(super) words: usize,
    /// Whether most words start with a capital.
    pub(super) capitals: bool,
    /// The fewest syllables of a word.
    pub(super) shortest: usize,
    /// The most.
    pub(super) longest: usize,
    /// What the words are built of.
    pub(super) syllables: &'static [&'static str],
}

/// The scripts; the first one is what languages without a script of their own use.
pub(super) const SCRIPTS: &[Script] = &[
    // Latin.
    Script {
        seed: 100,
        words: 30_000,
        capitals: true,
        shortest: 2,
        longest: 4,
        syllables: &[
            "an", "er", "in", "on", "en", "ar", "al", "or", "el", "is", "ti", "le", "ra", "ri",
            "ro", "ma", "na", "st", "la", "re", "li", "de", "co", "to", "ca", "mi", "ne", "ta",
            "sa", "no", "ch", "di", "ha", "ni", "ve", "lo", "te", "be", "th", "se", "br", "ge",
            "ho", "mo", "ia", "sh", "ka", "pe", "va", "us",
        ],
    },
    // Cyrillic.
    Script {
        seed: 101,
        words: 16_000,
        capitals: false,
        shortest: 2,
        longest: 4,
        syllables: &[
            "ко", "ра", "на", "ни", "ва", "то", "но", "ро", "ре", "ст", "ли", "ка", "ла", "ов",
            "ен", "ра", "не", "та", "ма", "ти", "ло", "ин", "ск", "ан", "ер", "ки", "ри", "по",
            "де", "ос", "ви", "до", "ль", "ми", "со", "ий",
        ],
    },
    // Arabic.
    Script {
        seed: 102,
        words: 12_000,
        capitals: false,
        shortest: 2,
        longest: 4,
        syllables: &[
            "ال", "من", "في", "كا", "ما", "را", "با", "نا", "ية", "ات", "ون", "ين", "ست", "دا",
            "لي", "مح", "عب", "سي", "حم", "يد", "قا", "شا", "ري", "فر", "تا", "صو",
        ],
    },
    // Hebrew.
    Script {
        seed: 103,
        words: 9_000,
        capitals: false,
        shortest: 2,
        longest: 4,
        syllables: &[
            "של", "ים", "ות", "בר", "מי", "לא", "הר", "נו", "שי", "רי", "כו", "תי", "אל", "בן",
            "יה", "מל", "דו", "רא", "קו", "גל", "סי", "פו",
        ],
    },
    // Greek.
    Script {
        seed: 104,
        words: 9_000,
        capitals: false,
        shortest: 2,
        longest: 4,
        syllables: &[
            "ος", "ια", "ης", "κα", "το", "πο", "να", "μα", "λο", "τη", "ρα", "με", "νι", "σε",
            "θε", "ντ", "αν", "ικ", "ου", "στ", "γρ", "ευ",
        ],
    },
    // Devanagari.
    Script {
        seed: 105,
        words: 7_000,
        capitals: false,
        shortest: 2,
        longest: 3,
        syllables: &[
            "का",
            "रा",
            "ना",
            "या",
            "मा",
            "ता",
            "की",
            "में",
            "से",
            "भा",
            "वि",
            "शा",
            "न्",
            "प्र",
            "स्त",
            "ली",
            "दे",
            "हि",
            "सं",
            "गा",
            "ज",
        ],
    },
    // Han.
    Script {
        seed: 106,
        words: 9_000,
        capitals: false,
        shortest: 2,
        longest: 5,
        syllables: &[
            "中", "国", "人", "大", "学", "文", "化", "市", "长", "江", "河", "北", "南", "东",
            "西", "京", "海", "山", "天", "地", "日", "月", "星", "新", "民", "族", "历", "史",
            "电", "影", "音", "乐", "足", "球", "战", "争", "政", "府", "公", "司", "省", "县",
            "语", "教", "育", "科", "学", "技", "术",
        ],
    },
    // Japanese.
    Script {
        seed: 107,
        words: 12_000,
        capitals: false,
        shortest: 2,
        longest: 6,
        syllables: &[
            "ア", "イ", "ウ", "エ", "オ", "カ", "キ", "ク", "シ", "ス", "タ", "ト", "ナ", "ニ",
            "ノ", "ハ", "マ", "ミ", "ラ", "リ", "ル", "ン", "ー", "の", "は", "東", "京", "大",
            "学", "日", "本", "島", "駅", "川", "山", "高", "校", "県", "市", "選", "手", "権",
            "番", "組", "映", "画",
        ],
    },
    // Hangul.
    Script {
        seed: 108,
        words: 9_000,
        capitals: false,
        shortest: 2,
        longest: 4,
        syllables: &[
            "대", "한", "민", "국", "서", "울", "부", "산", "인", "천", "김", "이", "박", "정",
            "최", "사", "나", "라", "고", "등", "학", "교", "역", "도", "시", "음", "악", "영",
            "화", "선", "수", "목", "록", "전", "쟁",
        ],
    },
    // Thai.
    Script {
        seed: 109,
        words: 6_000,
        capitals: false,
        shortest: 2,
        longest: 4,
        syllables: &[
            "กา",
            "รา",
            "นา",
            "มา",
            "ประ",
            "เทศ",
            "ไทย",
            "เมือง",
            "ลา",
            "วัน",
            "พระ",
            "ศรี",
            "สม",
            "โร",
            "งเรียน",
            "จัง",
            "หวัด",
            "อำ",
            "เภอ",
            "คน",
            "รัก",
        ],
    },
];

/// The languages with the most page views, in that order, and the script each is written in.
pub(super) const LANGUAGES: &[(&str, usize)] = &[
    ("en", 0),
    ("ja", 7),
    ("de", 0),
    ("ru", 1),
    ("es", 0),
    ("fr", 0),
    ("it", 0),
    ("zh", 6),
    ("pl", 0),
    ("pt", 0),
    ("fa", 2),
    ("ar", 2),
    ("uk", 1),
    ("nl", 0),
    ("id", 0),
    ("tr", 0),
    ("vi", 0),
    ("ko", 8),
    ("sv", 0),
    ("he", 3),
    ("cs", 0),
    ("th", 9),
    ("hi", 5),
    ("el", 4),
    ("fi", 0),
    ("hu", 0),
    ("ro", 0),
    ("no", 0),
    ("da", 0),
    ("bn", 5),
    ("simple", 0),
    ("sr", 1),
    ("bg", 1),
    ("ca", 0),
    ("hr", 0),
    ("az", 0),
    ("ms", 0),
    ("sk", 0),
    ("et", 0),
    ("ka", 4),
    ("kk", 1),
    ("lt", 0),
    ("sl", 0),
    ("mr", 5),
    ("eu", 0),
    ("hy", 4),
    ("lv", 0),
    ("arz", 2),
    ("ur", 2),
    ("zh-yue", 6),
    ("sq", 0),
    ("bs", 0),
    ("gl", 0),
    ("mk", 1),
    ("ne", 5),
    ("tl", 0),
    ("be", 1),
    ("cy", 0),
    ("ga", 0),
    ("af", 0),
    ("sco", 0),
    ("zh-min-nan", 0),
];
