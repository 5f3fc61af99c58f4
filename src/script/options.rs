//! Options in a call, `#{ … }`: a closed list of iproute2's words, with near names and the usual synonyms.

use rhai::{Dynamic, ImmutableString, Map};

use super::args::Whole;
use super::values::kind;
use crate::diag::{Code, Diagnostic, Result, nearest};

/// Options that are taken one by one; what is left at the end is an error.
pub struct Options {
    function: &'static str,
    map: Map,
    known: Vec<&'static str>,
}

/// What people write who think in other tools' words.
const SYNONYMS: &[(&str, &str)] = &[
    ("vni", "id"),
    ("vid", "id"),
    ("gw", "via"),
    ("gateway", "via"),
    ("parent", "link"),
    ("address", "mac"),
    ("lladdr", "mac"),
    ("macaddr", "mac"),
    ("ip", "addrs"),
    ("addr", "addrs"),
    ("port", "dstport"),
    ("priority", "metric"),
    ("device", "dev"),
    ("stp", "stp_state"),
];

impl Options {
    /// The options of a call.
    pub fn new(function: &'static str, map: Map) -> Self {
        Self { function, map, known: Vec::new() }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Takes an option of any kind. A synonym is taken for it, unless that is an option of its own.
    pub fn any(&mut self, key: &'static str) -> Option<Dynamic> {
        self.known.push(key);
        if let Some(value) = self.map.remove(key) {
            return Some(value).filter(|v| !v.is_unit());
        }
        let synonyms = SYNONYMS.iter().filter(|(word, meant)| *meant == key && !self.known.contains(word));
        for (word, _) in synonyms {
            if let Some(value) = self.map.remove(*word) {
                return Some(value).filter(|v| !v.is_unit());
            }
        }
        None
    }

    /// Takes a bool.
    ///
    /// # Errors
    /// `NL0118`.
    pub fn bool(&mut self, key: &'static str) -> Result<Option<bool>> {
        self.typed(key, "a bool")
    }

    /// Takes a text.
    ///
    /// # Errors
    /// `NL0118`.
    pub fn text(&mut self, key: &'static str) -> Result<Option<String>> {
        Ok(self.typed::<ImmutableString>(key, "a string")?.map(|s| s.to_string()))
    }

    /// Takes a whole number that fits the kernel's type for it.
    ///
    /// # Errors
    /// `NL0118`, and `NL0106` if it does not fit.
    pub fn number<T: Whole>(&mut self, key: &'static str) -> Result<Option<T>> {
        let Some(value) = self.typed::<i64>(key, "an integer")? else { return Ok(None) };
        T::try_from(value).map(Some).map_err(|_| {
            let (least, most) = T::RANGE;
            Diagnostic::new(
                Code::OutOfRange,
                format!("option `{key}` of `{}` is {value}; it takes {least} to {most}", self.function),
            )
        })
    }

    /// Takes one text or an array of texts.
    ///
    /// # Errors
    /// `NL0118`.
    pub fn texts(&mut self, key: &'static str) -> Result<Vec<String>> {
        let Some(value) = self.any(key) else { return Ok(Vec::new()) };
        self.items(value, key, "a string or an array of strings", |item| item.into_string().ok())
    }

    /// Takes one whole number or an array of them.
    ///
    /// # Errors
    /// `NL0118`.
    pub fn ints(&mut self, key: &'static str) -> Result<Vec<i64>> {
        let Some(value) = self.any(key) else { return Ok(Vec::new()) };
        self.items(value, key, "an integer or an array of integers", |item| item.as_int().ok())
    }

    /// One value, or each of an array.
    fn items<T>(&self, value: Dynamic, key: &str, wanted: &str, read: impl Fn(Dynamic) -> Option<T>) -> Result<Vec<T>> {
        let is_array = value.is_array();
        let items = if is_array { value.into_array().unwrap_or_default() } else { vec![value] };
        items
            .into_iter()
            .map(|item| {
                let is = kind(&item);
                let is = if is_array { format!("an array with {is} in it") } else { is.to_owned() };
                read(item).ok_or_else(|| self.mistaken(key, wanted, &is))
            })
            .collect()
    }

    /// Takes a map.
    ///
    /// # Errors
    /// `NL0118`.
    pub fn map(&mut self, key: &'static str) -> Result<Option<Map>> {
        self.typed(key, "a map")
    }

    /// Takes an option of some type.
    ///
    /// # Errors
    /// `NL0118`.
    pub fn typed<T: Clone + 'static>(&mut self, key: &'static str, wanted: &str) -> Result<Option<T>> {
        let Some(value) = self.any(key) else { return Ok(None) };
        let is = kind(&value);
        value.try_cast::<T>().map(Some).ok_or_else(|| self.mistaken(key, wanted, is))
    }

    /// The error for an option of the wrong kind.
    pub fn mistaken(&self, key: &str, wanted: &str, is: &str) -> Box<Diagnostic> {
        Diagnostic::new(Code::BadOption, format!("option `{key}` of `{}` is {is}, not {wanted}", self.function))
    }

    /// Ends the taking.
    ///
    /// # Errors
    /// `NL0118` for a key that nobody took.
    pub fn finish(mut self) -> Result<()> {
        let Some((key, _)) = self.map.pop_first() else { return Ok(()) };
        let error = Diagnostic::new(Code::BadOption, format!("`{}` has no option `{key}`", self.function));
        self.known.sort_unstable();
        Err(match nearest(&key, self.known.iter().copied()) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None if self.known.is_empty() => error.help("it takes no options"),
            None => error.help(format!("it takes {}", self.known.join(", "))),
        })
    }
}

/// One of a closed list of words.
///
/// # Errors
/// `NL0118` with the list.
pub(super) fn choice<T: Copy>(word: &str, what: &str, words: &[(&str, T)]) -> Result<T> {
    words.iter().find(|(known, _)| *known == word).map(|(_, value)| *value).ok_or_else(|| {
        let all: Vec<&str> = words.iter().map(|(known, _)| *known).collect();
        Diagnostic::new(Code::BadOption, format!("there is no {what} `{word}`"))
            .help(format!("it is one of {}", all.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(keys: &[(&str, Dynamic)]) -> Options {
        Options::new("vxlan", keys.iter().map(|(k, v)| ((*k).into(), v.clone())).collect())
    }

    #[test]
    fn near_names_synonyms_and_kinds() {
        let mut o = options(&[("gw", "10.0.0.1".into())]);
        assert_eq!(o.text("via").unwrap().unwrap(), "10.0.0.1");
        o.finish().unwrap();

        let mut o = options(&[("dstprt", 4789.into())]);
        assert_eq!(o.number::<u16>("dstport").unwrap(), None);
        let error = o.finish().unwrap_err();
        assert_eq!(error.message, "`vxlan` has no option `dstprt`");
        assert_eq!(error.help.unwrap(), "did you mean `dstport`?");

        let mut o = options(&[("dstport", "x".into())]);
        assert_eq!(
            o.number::<u16>("dstport").unwrap_err().message,
            "option `dstport` of `vxlan` is a string, not an integer"
        );
        let mut o = options(&[("dstport", 70000.into())]);
        assert_eq!(
            o.number::<u16>("dstport").unwrap_err().message,
            "option `dstport` of `vxlan` is 70000; it takes 0 to 65535"
        );
    }
}
