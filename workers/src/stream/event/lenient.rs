//! Values that are of the published type, or else absent: what one event has wrong must not cost
//! the event.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// A text, if it is one, or a number written as such.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Text<'a>(Option<Cow<'a, str>>);

/// A whole number, if it is one.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Int(pub(super) Option<i64>);

/// A truth value, if it is one.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flag(pub(super) Option<bool>);

impl Text<'_> {
    pub(super) fn get(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

/// What each kind of JSON value means for a type; all mean "absent" by default.
trait Lenient<'de>: Default {
    fn borrowed(_: &'de str) -> Self {
        Self::default()
    }
    fn owned(_: &str) -> Self {
        Self::default()
    }
    fn int(_: i64) -> Self {
        Self::default()
    }
    fn bool(_: bool) -> Self {
        Self::default()
    }
}

impl<'de: 'a, 'a> Lenient<'de> for Text<'a> {
    fn borrowed(text: &'de str) -> Self {
        Self(Some(text.into()))
    }
    fn owned(text: &str) -> Self {
        Self(Some(text.to_owned().into()))
    }
    fn int(number: i64) -> Self {
        Self(Some(number.to_string().into()))
    }
}

impl Lenient<'_> for Int {
    fn int(number: i64) -> Self {
        Self(Some(number))
    }
}

impl Lenient<'_> for Flag {
    fn bool(value: bool) -> Self {
        Self(Some(value))
    }
}

struct Any<T>(PhantomData<T>);

impl<'de, T: Lenient<'de>> Visitor<'de> for Any<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<T, E> {
        Ok(T::borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Ok(T::owned(text))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        Ok(T::int(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        Ok(i64::try_from(number).map_or_else(|_| T::default(), T::int))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<T, E> {
        Ok(T::bool(value))
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<T, A::Error> {
        while values.next_element::<IgnoredAny>()?.is_some() {}
        Ok(T::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<T, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(T::default())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_another_type_is_absent() {
        let values = r#"["a\u00e4","b",1,-1,1.5,true,null,[1,[2]],{"a":{}},18446744073709551615]"#;
        let texts: Vec<Text<'_>> = serde_json::from_str(values).unwrap();
        let texts: Vec<_> = texts.iter().map(Text::get).collect();
        let expected = [Some("aä"), Some("b"), Some("1"), Some("-1")];
        assert_eq!(texts[..4], expected);
        assert!(texts[4..].iter().all(Option::is_none));
        let ints: Vec<Int> = serde_json::from_str(values).unwrap();
        let ints: Vec<_> = ints.iter().filter_map(|int| int.0).collect();
        assert_eq!(ints, [1, -1]);
        let flags: Vec<Flag> = serde_json::from_str(values).unwrap();
        assert_eq!(flags.iter().filter_map(|flag| flag.0).count(), 1);
    }
}
