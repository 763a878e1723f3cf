//! The supervisors' page: who signs in, what they see, and what they may do; by HTTPS and in a real browser.

mod browser;
mod client;
mod page;
mod rights;
mod sign_in;
mod site;

use serde_json::{Value, json};
use undertone_tests::Result;

use self::{
    browser::Browser,
    client::Https,
    site::{PASSWORD, Site},
};
use crate::daemon::operator::{SOON, other};
