//! The types of configurations, read from their source: names, fields, doc comments.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
};

use syn::{
    Attribute, Expr, Field, Fields, GenericArgument, ImplItem, Item, Lit, Meta, PathArguments,
    parse::Parser,
};

/// A type that a configuration is read into.
pub(crate) struct Found {
    /// Its doc comment, on one line.
    pub(crate) doc: String,
    /// What it is made of.
    pub(crate) shape: Shape,
}

/// What a type is made of.
pub(crate) enum Shape {
    /// Entries of a table.
    Struct(Vec<Entry>),
    /// One of several values, or of several kinds.
    Choice(Vec<Variant>),
    /// A value of its own, which the documentation describes.
    Text,
}

/// An entry of a table.
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) of: Type,
    pub(crate) optional: bool,
    pub(crate) doc: String,
}

/// One of several values.
pub(crate) struct Variant {
    pub(crate) key: String,
    pub(crate) doc: String,
    /// The type whose entries stand beside `kind`.
    pub(crate) inner: Option<String>,
}

/// The type of an entry.
pub(crate) struct Type {
    /// The innermost type's name.
    pub(crate) name: String,
    /// For people.
    pub(crate) words: String,
}

/// All types, by name.
#[derive(Default)]
pub(crate) struct Types {
    found: HashMap<String, Found>,
    /// `kind` of a type.
    kinds: HashMap<String, String>,
    /// Types by the macro that registers them, and what their file says of them first.
    registered: BTreeMap<String, Vec<(String, String)>>,
}

impl Types {
    /// Of the Rust files under `folders`.
    pub(crate) fn read<'p>(folders: impl Iterator<Item = &'p PathBuf>) -> Self {
        let mut types = Self::default();
        for folder in folders {
            types.read_folder(folder);
        }
        types
    }

    /// The type of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Found> {
        self.found.get(name)
    }

    /// Kinds of a registry, each with its type and with what it is.
    pub(crate) fn registered(&self, registry: &str) -> BTreeMap<&str, (&str, &str)> {
        let types = self.registered.get(registry).into_iter().flatten();
        types
            .filter_map(|(name, about)| {
                Some((self.kinds.get(name)?.as_str(), (name.as_str(), about.as_str())))
            })
            .collect()
    }

    fn read_folder(&mut self, folder: &Path) {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                self.read_folder(&path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let file = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
                let about = doc(&file.attrs);
                file.items.into_iter().for_each(|item| self.take(item, &about));
            }
        }
    }

    fn take(&mut self, item: Item, about: &str) {
        match item {
            Item::Struct(item) => {
                let shape = match &item.fields {
                    Fields::Named(fields) => {
                        let all_optional =
                            serde_words(&item.attrs).iter().any(|word| word == "default");
                        let entry = |field: &Field| entry(field, all_optional);
                        Shape::Struct(fields.named.iter().map(entry).collect())
                    }
                    _ => Shape::Text,
                };
                self.add(&item.ident.to_string(), &item.attrs, shape);
            }
            Item::Enum(item) => {
                let words = serde_words(&item.attrs);
                let shape = if words.iter().any(|word| word.starts_with("try_from")) {
                    Shape::Text
                } else {
                    let lower = words.iter().any(|word| word.contains("lowercase"));
                    Shape::Choice(
                        item.variants.iter().filter_map(|one| variant(one, lower)).collect(),
                    )
                };
                self.add(&item.ident.to_string(), &item.attrs, shape);
            }
            Item::Impl(item) => {
                let syn::Type::Path(own) = item.self_ty.as_ref() else { return };
                let name = own.path.segments.last().unwrap().ident.to_string();
                for part in item.items {
                    if let ImplItem::Const(constant) = part
                        && constant.ident == "KIND"
                        && let Expr::Lit(value) = constant.expr
                        && let Lit::Str(kind) = value.lit
                    {
                        self.kinds.insert(name.clone(), kind.value());
                    }
                }
            }
            Item::Macro(item) => {
                let registry = item.mac.path.segments.last().unwrap().ident.to_string();
                if registry.starts_with("register_") {
                    let own: Result<syn::Ident, _> = syn::parse2(item.mac.tokens);
                    let own = own.map(|own| (own.to_string(), about.to_owned()));
                    self.registered.entry(registry).or_default().extend(own);
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, name: &str, attributes: &[Attribute], shape: Shape) {
        let found = Found { doc: doc(attributes), shape };
        self.found.entry(name.to_owned()).or_insert(found);
    }
}

fn entry(field: &Field, all_optional: bool) -> Entry {
    let words = serde_words(&field.attrs);
    let renamed = words.iter().find_map(|word| word.strip_prefix("rename = "));
    let key = renamed.map_or_else(|| field.ident.as_ref().unwrap().to_string(), str::to_owned);
    let of = type_of(&field.ty);
    let optional = all_optional
        || of.words.ends_with(", or none")
        || words.iter().any(|word| word == "default" || word.starts_with("default = "));
    Entry { key, of, optional, doc: doc(&field.attrs) }
}

fn variant(variant: &syn::Variant, lower: bool) -> Option<Variant> {
    let words = serde_words(&variant.attrs);
    if words.iter().any(|word| word == "untagged") {
        return None;
    }
    let renamed = words.iter().find_map(|word| word.strip_prefix("rename = "));
    let name = variant.ident.to_string();
    let key = match renamed {
        Some(renamed) => renamed.to_owned(),
        None if lower => name.to_lowercase(),
        None => snake_case(&name),
    };
    let inner = variant.fields.iter().next().map(|field| type_of(&field.ty).name);
    Some(Variant { key, doc: doc(&variant.attrs), inner })
}

/// `OneStep` as `one_step`.
fn snake_case(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push('_');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

/// The first paragraph of the doc comment on one line; links keep their words.
fn doc(attributes: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attribute in attributes {
        if let Meta::NameValue(pair) = &attribute.meta
            && pair.path.is_ident("doc")
            && let Expr::Lit(value) = &pair.value
            && let Lit::Str(text) = &value.lit
        {
            lines.push(text.value().trim().to_owned());
        }
    }
    let end = lines.iter().position(String::is_empty).unwrap_or(lines.len());
    lines[..end]
        .join(" ")
        .replace("[`", "`")
        .replace("`]", "`")
        .replace('|', "\\|")
        .trim()
        .to_owned()
}

/// What `#[serde(...)]` says, word by word; texts without their quotation marks.
fn serde_words(attributes: &[Attribute]) -> Vec<String> {
    let mut words = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        let Meta::List(list) = &attribute.meta else { continue };
        let parser = syn::punctuated::Punctuated::<Meta, syn::Token![,]>::parse_terminated;
        for meta in parser.parse2(list.tokens.clone()).unwrap() {
            let name = meta.path().segments.last().unwrap().ident.to_string();
            words.push(match meta {
                Meta::NameValue(pair) => match pair.value {
                    Expr::Lit(value) => match value.lit {
                        Lit::Str(text) => format!("{name} = {}", text.value()),
                        _ => name,
                    },
                    _ => name,
                },
                _ => name,
            });
        }
    }
    words
}

fn type_of(of: &syn::Type) -> Type {
    match of {
        syn::Type::Path(path) => {
            let last = path.path.segments.last().unwrap();
            let name = last.ident.to_string();
            let inner: Vec<Type> = match &last.arguments {
                PathArguments::AngleBracketed(list) => {
                    let types = list.args.iter().filter_map(|argument| match argument {
                        GenericArgument::Type(of) => Some(type_of(of)),
                        _ => None,
                    });
                    types.collect()
                }
                _ => Vec::new(),
            };
            let words = |about: &str, of: &Type| {
                let many = !of.words.starts_with('`') && of.words != "true or false";
                format!("{about}{}{}", of.words, if many { "s" } else { "" })
            };
            match (name.as_str(), inner.as_slice()) {
                ("Box", [of]) => Type { name: of.name.clone(), words: of.words.clone() },
                ("Option", [of]) => {
                    Type { name: of.name.clone(), words: format!("{}, or none", of.words) }
                }
                ("Vec", [of]) => Type { name: of.name.clone(), words: words("list of ", of) },
                ("BTreeMap", [_, of]) => {
                    Type { name: of.name.clone(), words: words("table of ", of) }
                }
                _ => {
                    let words = match name.as_str() {
                        "String" => "text".to_owned(),
                        "PathBuf" => "path".to_owned(),
                        "bool" => "true or false".to_owned(),
                        "f32" | "f64" => "number".to_owned(),
                        "u8" | "u32" | "u64" | "usize" | "i64" | "i32" => "whole number".to_owned(),
                        "Value" => "value".to_owned(),
                        other => format!("`{other}`"),
                    };
                    Type { name, words }
                }
            }
        }
        syn::Type::Tuple(tuple) => {
            let parts: Vec<String> = tuple.elems.iter().map(|of| type_of(of).words).collect();
            Type { name: String::new(), words: format!("list of {}", parts.join(" and ")) }
        }
        syn::Type::Array(array) => {
            let of = type_of(&array.elem);
            Type { words: format!("list of {}", of.words), name: of.name }
        }
        _ => Type { name: String::new(), words: "value".to_owned() },
    }
}
