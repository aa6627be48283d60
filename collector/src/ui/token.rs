//! The form that asks for the reading token; the answer is kept in a cookie.

use super::language::Speech;
use super::page::page;
use super::phrases as said;

/// Where the form is posted to, as `application/x-www-form-urlencoded` with one field, `token`.
pub const TOKEN_PATH: &str = "/token";

/// The page. `wrong`: a token was given and did not fit.
pub fn token_form(speech: &Speech, wrong: bool) -> String {
    page(speech, said::TOKEN.of(speech.language), None, |html| {
        html.element("section", &[("class", "token")], |html| {
            html.said("h1", &[], &said::ASKS_FOR_TOKEN);
            html.said("p", &[], &said::HOW_TOKEN);
            html.element("form", &[("method", "post"), ("action", TOKEN_PATH)], |html| {
                html.said("label", &[("for", "token")], &said::TOKEN);
                let described = if wrong { "wrong" } else { "" };
                html.void(
                    "input",
                    &[
                        ("type", "password"),
                        ("id", "token"),
                        ("name", "token"),
                        ("required", ""),
                        ("autofocus", ""),
                        ("autocomplete", "current-password"),
                        ("aria-describedby", described),
                    ],
                );
                html.said("button", &[("type", "submit")], &said::ENTER);
            });
            if wrong {
                let attributes = &[("id", "wrong"), ("class", "error"), ("role", "alert")];
                html.said("p", attributes, &said::WRONG_TOKEN);
            }
        });
    })
}
