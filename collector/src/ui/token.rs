//! The form that asks for the reading token; the answer is kept in a cookie.

use super::page::page;

/// Where the form is posted to, as `application/x-www-form-urlencoded` with one field, `token`.
pub const TOKEN_PATH: &str = "/token";

/// The page. `wrong`: a token was given and did not fit.
pub fn token_form(wrong: bool) -> String {
    page("Token", false, |html| {
        html.element("section", &[("class", "token")], |html| {
            html.leaf("h1", &[], "This collector asks for a token");
            let how = "Its pages are not open to everyone. \
                       Give the token for reading that it was started with (--read-token).";
            html.leaf("p", &[], how);
            html.element("form", &[("method", "post"), ("action", TOKEN_PATH)], |html| {
                html.leaf("label", &[("for", "token")], "Token");
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
                html.leaf("button", &[("type", "submit")], "Open");
            });
            if wrong {
                let attributes = &[("id", "wrong"), ("class", "error"), ("role", "alert")];
                html.leaf("p", attributes, "That token is not the one. Nothing was stored.");
            }
        });
    })
}
