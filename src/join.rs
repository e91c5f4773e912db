//! wip
pub mod columns;
pub mod edit;
pub mod history;
pub mod keys;
pub mod paint;
pub mod pending;
pub mod people;
pub mod said;
pub mod screen;
pub mod talk;
pub mod typing;
pub mod wire;
