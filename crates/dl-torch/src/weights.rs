//! Weight files of other tools.
