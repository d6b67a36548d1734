//! What grows in a tree, and how often.

#[derive(Clone, Copy)]
pub enum Copies {
    File,
    Empty,
    Null,
    CharacterDevice,
    Linked { relative: bool },
    LinkedTwice,
    LinkedToSearchPath,
    Dangling,
    Loop,
    ToDirectory,
    ToSocket,
    Alias,
    AliasRelative,
    AliasSameDirectory,
    AliasThroughRealPlace,
    AliasInSubdirectory,
    AliasOfOtherType,
    AliasOfNoUnit,
    SelfAlias,
    ToSearchDirectory,
    ThroughMissing,
    ThroughFile,
    Directory,
    Socket,
}

pub const COPIES: &[(usize, Copies)] = &[
    (40, Copies::File),
    (4, Copies::Empty),
    (4, Copies::Null),
    (1, Copies::CharacterDevice),
    (8, Copies::Linked { relative: false }),
    (4, Copies::Linked { relative: true }),
    (3, Copies::LinkedTwice),
    (3, Copies::LinkedToSearchPath),
    (3, Copies::Dangling),
    (2, Copies::Loop),
    (1, Copies::ToDirectory),
    (1, Copies::ToSocket),
    (12, Copies::Alias),
    (6, Copies::AliasRelative),
    (6, Copies::AliasSameDirectory),
    (4, Copies::AliasThroughRealPlace),
    (1, Copies::AliasInSubdirectory),
    (2, Copies::AliasOfOtherType),
    (1, Copies::AliasOfNoUnit),
    (3, Copies::SelfAlias),
    (1, Copies::ToSearchDirectory),
    (1, Copies::ThroughMissing),
    (1, Copies::ThroughFile),
    (1, Copies::Directory),
    (1, Copies::Socket),
];

#[derive(Clone, Copy)]
pub enum Dot {
    Directory,
    LinkOut,
    LinkRelative,
    LinkRelativeNear,
    LinkToAnother,
    Dangling,
    File,
    LinkToFile,
}

pub const DOTS: &[(usize, Dot)] = &[
    (72, Dot::Directory),
    (8, Dot::LinkOut),
    (4, Dot::LinkRelative),
    (4, Dot::LinkRelativeNear),
    (4, Dot::LinkToAnother),
    (3, Dot::Dangling),
    (3, Dot::File),
    (2, Dot::LinkToFile),
];

#[derive(Clone, Copy)]
pub enum Conf {
    File,
    Empty,
    Null,
    Dangling,
    Directory,
    LinkOut,
    LinkRelative,
    Loop,
}

pub const CONFS: &[(usize, Conf)] = &[
    (60, Conf::File),
    (8, Conf::Empty),
    (8, Conf::Null),
    (6, Conf::Dangling),
    (4, Conf::Directory),
    (8, Conf::LinkOut),
    (4, Conf::LinkRelative),
    (2, Conf::Loop),
];

pub const NAMES: &[&str] = &["10-a", "20-b", "30-c", "40-d", "Z", "a", "é"];
