//! From a question to its answer: samples in random order, tables, and a plot. It measures nothing itself.

mod document;
mod plot;
mod question;
mod sample;

pub use self::{
    document::{conditions, replace},
    plot::plot,
    question::{Answer, Column, Effort, Programs, Question, summary},
    sample::Figure,
};
