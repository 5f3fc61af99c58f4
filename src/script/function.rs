//! The table of functions: what each is called, takes, gives and does.

use rhai::Dynamic;

use super::args::Call;
use super::error::count;
use super::values::Of;
use crate::diag::Result;

/// One function of the language.
pub struct Function {
    /// What it belongs to.
    pub of: Of,
    /// Its name.
    pub name: &'static str,
    /// Its parameters as the manual writes them.
    pub params: &'static str,
    /// The least and the most arguments, without the receiver.
    pub arity: (usize, usize),
    /// What it gives.
    pub gives: &'static str,
    /// The manual: first line one sentence, then details, then an example that runs.
    pub doc: &'static str,
    /// How it is reached.
    pub form: Form,
}

/// How a function is reached and where its code is.
pub enum Form {
    /// Called with parentheses.
    Call(fn(&mut Call<'_>) -> Result<Dynamic>),
    /// Read as a property, without parentheses.
    Property(fn(&mut Call<'_>) -> Result<Dynamic>),
    /// A function of the standard library, written in Rhai.
    Library,
}

impl Function {
    /// The signature as the manual and errors show it.
    pub fn signature(&self) -> String {
        let receiver = match self.of {
            Of::Free => String::new(),
            of => format!("{}.", of.word()),
        };
        match self.form {
            Form::Property(_) => format!("{receiver}{}", self.name),
            _ => format!("{receiver}{}({})", self.name, self.params),
        }
    }

    /// The sentence for a call with another number of arguments.
    pub fn wants(&self, given: usize) -> String {
        let takes = match self.arity {
            (0, 0) => "no arguments".to_owned(),
            (least, most) if least == most => count(least, "argument"),
            (least, most) => format!("{least} to {}", count(most, "argument")),
        };
        let here = match given {
            0 => "here are none".to_owned(),
            1 => "here is 1".to_owned(),
            n => format!("here are {n}"),
        };
        format!("`{}` takes {takes}, {here}", self.name)
    }

    /// Whether it is read without parentheses.
    pub fn is_property(&self) -> bool {
        matches!(self.form, Form::Property(_))
    }
}

/// All functions, in the order of the reference.
pub fn all() -> impl Iterator<Item = &'static Function> {
    [
        super::netns::FUNCTIONS,
        super::place::FUNCTIONS,
        super::bridge::FUNCTIONS,
        super::link::FUNCTIONS,
        super::dhcp::FUNCTIONS,
        super::read::FUNCTIONS,
        super::program::FUNCTIONS,
        super::container::FUNCTIONS,
        super::probe::FUNCTIONS,
        super::why::FUNCTIONS,
        super::graph::FUNCTIONS,
        super::kinds::FUNCTIONS,
        super::netem::FUNCTIONS,
        super::expect::FUNCTIONS,
        super::subnet::FUNCTIONS,
        super::topology::FUNCTIONS,
        super::exercise::FUNCTIONS,
    ]
    .into_iter()
    .flatten()
}

/// The functions of a name, for whatever they belong to.
pub fn named(name: &str) -> impl Iterator<Item = &'static Function> {
    all().filter(move |f| f.name == name)
}

/// The function that a receiver's call means.
pub fn find(of: Of, name: &str) -> Option<&'static Function> {
    all().find(|f| f.of == of && f.name == name && !f.is_property())
}
