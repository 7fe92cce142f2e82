//! One element of an XML file: typed attributes, and errors that name file, line and element.

use std::fmt::Display;
use std::path::Path;

use roxmltree::Node;

use crate::error::{Error, Result};

/// An element of a document.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    path: &'a Path,
    node: Node<'a, 'a>,
}

impl<'a> Element<'a> {
    /// The root of the document that was read from `path`.
    pub(super) fn root(path: &'a Path, document: &'a roxmltree::Document<'a>) -> Self {
        Self { path, node: document.root_element() }
    }

    /// Its tag.
    pub(super) fn tag(self) -> &'a str {
        self.node.tag_name().name()
    }

    /// Its line in the file, from 1.
    pub(super) fn line(self) -> u32 {
        self.node.document().text_pos_at(self.node.range().start).row
    }

    fn place(self) -> String {
        let kind = self.node.attribute("type").filter(|_| self.tag() == "Force");
        format!("line {}: <{}>{}", self.line(), self.tag(), kind.map_or_else(String::new, |k| format!(" {k}")))
    }

    /// Something is wrong with this element.
    pub(super) fn error(self, message: impl Display) -> Error {
        Error::data(self.path, format!("{}: {message}", self.place()))
    }

    /// The elements inside.
    pub(super) fn children(self) -> impl Iterator<Item = Self> {
        self.node.children().filter(Node::is_element).map(move |node| Self { node, ..self })
    }

    /// The elements inside `tag`, all of which have to be `item`; none when there is no `tag`.
    pub(super) fn list(self, tag: &'static str, item: &'static str) -> Result<Vec<Self>> {
        let Some(list) = self.children().find(|c| c.tag() == tag) else { return Ok(Vec::new()) };
        let all: Vec<Self> = list.children().collect();
        match all.iter().find(|e| e.tag() != item) {
            Some(other) => Err(other.error(format!("expected <{item}> inside <{tag}>"))),
            None => Ok(all),
        }
    }

    /// The elements inside `tag`, which has to be there.
    pub(super) fn required_list(self, tag: &'static str, item: &'static str) -> Result<Vec<Self>> {
        if self.children().all(|c| c.tag() != tag) {
            return Err(
                self.error(format!("has no <{tag}>; write the file with openmm.XmlSerializer.serialize(system)"))
            );
        }
        self.list(tag, item)
    }

    /// An attribute, if it is there.
    pub(super) fn optional(self, name: &str) -> Option<&'a str> {
        self.node.attribute(name)
    }

    /// An attribute.
    pub(super) fn text(self, name: &str) -> Result<&'a str> {
        self.optional(name).ok_or_else(|| self.error(format!("has no attribute `{name}`")))
    }

    fn parsed<T: std::str::FromStr>(self, name: &str, expected: &str) -> Result<T> {
        let text = self.text(name)?;
        text.trim().parse().map_err(|_| self.error(format!("`{name}` is {text:?}, expected {expected}")))
    }

    /// A finite number.
    pub(super) fn number(self, name: &str) -> Result<f64> {
        let x: f64 = self.parsed(name, "a number")?;
        if x.is_finite() {
            return Ok(x);
        }
        let message = format!("{}: `{name}` is {x}, expected a finite number", self.place());
        Err(Error::NonFinite { path: self.path.to_path_buf(), message })
    }

    /// A finite number above 0.
    pub(super) fn positive(self, name: &str) -> Result<f64> {
        let x = self.number(name)?;
        if x > 0.0 { Ok(x) } else { Err(self.error(format!("`{name}` is {x}, expected a number above 0"))) }
    }

    /// A finite number, 0 or above.
    pub(super) fn not_negative(self, name: &str) -> Result<f64> {
        let x = self.number(name)?;
        if x >= 0.0 { Ok(x) } else { Err(self.error(format!("`{name}` is {x}, expected 0 or above"))) }
    }

    /// A whole number, 0 or above.
    pub(super) fn count(self, name: &str) -> Result<u32> {
        self.parsed(name, "a whole number")
    }

    /// A flag, `0` or `1`; absent in older versions of the format, where it is 0.
    pub(super) fn flag(self, name: &str) -> Result<bool> {
        match self.optional(name) {
            None | Some("0") => Ok(false),
            Some("1") => Ok(true),
            Some(other) => Err(self.error(format!("`{name}` is {other:?}, expected 0 or 1"))),
        }
    }

    /// Distinct atoms, one per attribute, each below `atoms`.
    pub(super) fn atoms<const N: usize>(self, names: [&str; N], atoms: usize) -> Result<[usize; N]> {
        let mut found = [0; N];
        for (i, name) in names.iter().enumerate() {
            let p: usize = self.parsed(name, "the number of a particle, from 0")?;
            if p >= atoms {
                return Err(
                    self.error(format!("`{name}` is {p}, but the System has {atoms} particles (0 to {})", atoms - 1))
                );
            }
            if found[..i].contains(&p) {
                return Err(self.error(format!("names particle {p} twice")));
            }
            found[i] = p;
        }
        Ok(found)
    }

    /// The version of this element's format may be at most `known`: a later one may mean something else.
    pub(super) fn version_at_most(self, known: u32) -> Result<()> {
        let version = self.count("version")?;
        if version <= known {
            return Ok(());
        }
        Err(self.error(format!(
            "has format version {version}, newer than the {known} known here; write it with an older OpenMM"
        )))
    }
}
