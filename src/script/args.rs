//! The arguments of a call, read with errors that show the signature.

use rhai::{Dynamic, ImmutableString, Map};

use super::function::Function;
use super::options::Options;
use super::raise::wrong;
use super::session::Session;
use super::values::{Cable, Link, Ns, Program, Subnet, kind};
use crate::diag::{Code, Diagnostic, Result, Site};
use crate::lab::Lab;
use crate::lab::objects::{LinkId, NsId};

/// A whole number of a type that the kernel has.
pub trait Whole: TryFrom<i64> {
    /// The least and the most that a script can give.
    const RANGE: (i64, i64);
}

macro_rules! whole {
    ($($number:ty),*) => { $(impl Whole for $number { const RANGE: (i64, i64) = (<$number>::MIN as i64, <$number>::MAX as i64); })* };
}
whole!(u8, u16, u32, i32);

impl Whole for u64 {
    const RANGE: (i64, i64) = (0, i64::MAX);
}

impl Whole for usize {
    const RANGE: (i64, i64) = (0, i64::MAX);
}

/// A call of one of our functions.
pub struct Call<'a> {
    /// The session.
    pub session: &'a mut Session,
    /// Where the script calls it.
    pub site: Site,
    /// The function.
    pub function: &'static Function,
    /// What it is called on.
    pub this: Dynamic,
    /// The arguments.
    pub args: Vec<Dynamic>,
}

impl Call<'_> {
    /// The lab.
    ///
    /// # Errors
    /// See [`Session::lab`].
    pub fn lab(&mut self) -> Result<&mut Lab> {
        self.session.changed = Some(std::time::Instant::now());
        self.session.lab()
    }

    /// The lab, only to look at it.
    ///
    /// # Errors
    /// See [`Session::lab`].
    pub fn look(&mut self) -> Result<&mut Lab> {
        self.session.lab()
    }

    /// The namespace that it is called on.
    ///
    /// # Errors
    /// `NL0130` for one that the script may not work in.
    pub fn netns(&self) -> Result<NsId> {
        let id = self.this.clone().try_cast::<Ns>().map(|ns| ns.0).ok_or_else(|| self.receiver())?;
        self.session.lab.as_ref().map_or(Ok(()), |lab| lab.permit_netns(id))?;
        Ok(id)
    }

    /// The link that it is called on.
    ///
    /// # Errors
    /// As [`Call::netns`].
    pub fn link(&self) -> Result<LinkId> {
        self.this.clone().try_cast::<Link>().map(|link| link.0).ok_or_else(|| self.receiver())
    }

    /// The wire that it is called on.
    ///
    /// # Errors
    /// As [`Call::netns`].
    pub fn wire(&self) -> Result<Cable> {
        self.this.clone().try_cast::<Cable>().ok_or_else(|| self.receiver())
    }

    /// The program that it is called on.
    ///
    /// # Errors
    /// As [`Call::netns`].
    pub fn program(&self) -> Result<Program> {
        self.this.clone().try_cast::<Program>().ok_or_else(|| self.receiver())
    }

    /// The subnet that it is called on.
    ///
    /// # Errors
    /// As [`Call::netns`].
    pub fn subnet(&self) -> Result<Subnet> {
        self.this.clone().try_cast::<Subnet>().ok_or_else(|| self.receiver())
    }

    /// The number of arguments.
    pub fn len(&self) -> usize {
        self.args.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.args.is_empty()
    }

    /// An argument that is there.
    pub fn has(&self, i: usize) -> bool {
        self.args.get(i).is_some_and(|a| !a.is_unit())
    }

    /// An argument as text.
    ///
    /// # Errors
    /// `NL0204`.
    pub fn text(&self, i: usize) -> Result<String> {
        self.get::<ImmutableString>(i, "a string").map(|s| s.to_string())
    }

    /// An argument as a whole number.
    ///
    /// # Errors
    /// `NL0204`.
    pub fn int(&self, i: usize) -> Result<i64> {
        self.get(i, "an integer")
    }

    /// An argument as a bool.
    ///
    /// # Errors
    /// `NL0204`.
    pub fn bool(&self, i: usize) -> Result<bool> {
        self.get(i, "a bool")
    }

    /// An argument as a whole number of some smaller type.
    ///
    /// # Errors
    /// `NL0204`, and `NL0106` if it does not fit.
    pub fn number<T: Whole>(&self, i: usize, what: &str) -> Result<T> {
        let value = self.int(i)?;
        T::try_from(value).map_err(|_| {
            Diagnostic::new(
                Code::OutOfRange,
                format!("{what} {value} is out of range: {} to {}", T::RANGE.0, T::RANGE.1),
            )
        })
    }

    /// An argument as a list of options; an empty one if it is not there.
    ///
    /// # Errors
    /// `NL0204`.
    pub fn options(&self, i: usize) -> Result<Options> {
        let map = if self.has(i) { self.get::<Map>(i, "a map of options: #{ … }")? } else { Map::new() };
        Ok(Options::new(self.function.name, map))
    }

    /// The last argument as options if it is a map, which is then taken away.
    pub fn take_options(&mut self) -> Options {
        let is_map = self.args.last().is_some_and(Dynamic::is_map);
        let map =
            if is_map { self.args.pop().and_then(|m| m.try_cast::<Map>()).unwrap_or_default() } else { Map::new() };
        Options::new(self.function.name, map)
    }

    /// An argument as a namespace.
    ///
    /// # Errors
    /// `NL0204`.
    pub fn ns_arg(&self, i: usize) -> Result<NsId> {
        self.get::<Ns>(i, "a namespace").map(|ns| ns.0)
    }

    /// An argument of some type.
    ///
    /// # Errors
    /// `NL0204`.
    pub fn get<T: Clone + 'static>(&self, i: usize, wanted: &str) -> Result<T> {
        let Some(value) = self.args.get(i) else {
            return Err(self.wrong(format!("argument {} of `{}` is missing", i + 1, self.function.name)));
        };
        value.clone().try_cast::<T>().ok_or_else(|| self.mistaken(i, wanted))
    }

    /// The error for an argument of the wrong kind.
    pub fn mistaken(&self, i: usize, wanted: &str) -> Box<Diagnostic> {
        let is = self.args.get(i).map_or("missing", kind);
        self.wrong(format!("argument {} of `{}` is {is}, not {wanted}", i + 1, self.function.name))
    }

    /// An error about the arguments, with the signature.
    pub fn wrong(&self, message: String) -> Box<Diagnostic> {
        wrong(message).help(format!("it is called like this: {}", self.function.signature()))
    }

    fn receiver(&self) -> Box<Diagnostic> {
        wrong(format!("`{}` cannot be called on {}", self.function.name, kind(&self.this)))
    }
}
