//! In what language a page is asked for.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};

use crate::ui::Speech;

/// `?lang=` of an address, else the header Accept-Language.
pub fn of(uri: &Uri, headers: &HeaderMap) -> Speech {
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    Speech::at(uri.path(), uri.query().unwrap_or_default(), accepted)
}

impl<S: Sync> FromRequestParts<S> for Speech {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Speech, Infallible> {
        Ok(of(&parts.uri, &parts.headers))
    }
}
