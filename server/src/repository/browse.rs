//! The repository as a page for a browser: a list of packages with version, size, signer and date.
//!
//! Pure text out of rows. Every value comes from a package somebody wrote, so every value is escaped;
//! the page runs no script and loads nothing but the packages' own icons.

use std::fmt::Write as _;

use jiff::Timestamp;

/// Rows on one page; the page after it is one link away.
pub const PAGE_ROWS: u32 = 500;

/// The headers that keep the page from doing anything but being read.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

/// One package as the page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowseRow {
    pub package: String,
    /// The name for people; empty when the package has none.
    pub name: String,
    pub version: String,
    /// What tells two files of one version apart: architecture, maturity, locale, target system.
    pub variant: String,
    pub section: String,
    pub description: String,
    pub size: u64,
    pub signer: String,
    pub uploaded_at: Timestamp,
    pub filename: String,
    /// Names the icon, when there is one.
    pub icon: Option<String>,
}

/// What the page is about.
#[derive(Debug, Clone, Default)]
pub struct BrowsePage {
    /// The server's public name.
    pub server: String,
    /// What was searched for; empty for all.
    pub query: String,
    pub rows: Vec<BrowseRow>,
    /// Packages that match in all.
    pub total: u64,
    /// How many matching packages come before this page.
    pub skipped: u64,
}

/// Draws the page.
pub fn page(page: &BrowsePage) -> String {
    let mut html = String::with_capacity(4096 + page.rows.len() * 512);
    let server = escape(&page.server);
    let query = escape(&page.query);
    let count = match (page.total, page.query.is_empty()) {
        (1, true) => "1 package".to_owned(),
        (total, true) => format!("{total} packages"),
        (1, false) => format!("1 package matches “{query}”"),
        (total, false) => format!("{total} packages match “{query}”"),
    };
    html.push_str(HEAD_BEFORE_TITLE);
    html.push_str(&server);
    html.push_str(HEAD_AFTER_TITLE);
    // Writing into a string cannot fail.
    write!(
        html,
        "<header><h1>Packages</h1><p>{server}</p></header>\n<main>\n\
         <form method=\"get\" action=\"/wapt/\" role=\"search\"><label for=\"q\">Name</label>\
         <input id=\"q\" name=\"q\" type=\"search\" value=\"{query}\" autocomplete=\"off\">\
         <button type=\"submit\">Search</button></form>\n<p class=\"count\">{count}</p>\n"
    )
    .ok();
    if page.rows.is_empty() {
        html.push_str(if page.query.is_empty() {
            "<p>No package has been published yet.</p>\n"
        } else {
            "<p>Try a shorter part of the name, or <a href=\"/wapt/\">show all packages</a>.</p>\n"
        });
    } else {
        html.push_str(TABLE_HEAD);
        for row in &page.rows {
            write_row(&mut html, row);
        }
        html.push_str("</tbody>\n</table>\n</div>\n");
    }
    write_pages(&mut html, page);
    html.push_str(FOOT);
    html
}

/// A size as people read it: `812 B`, `4.2 MiB`.
fn size_text(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", units.get(unit).unwrap_or(&"KiB"))
}

fn write_row(html: &mut String, row: &BrowseRow) {
    let icon = row.icon.as_ref().map_or_else(String::new, |icon| {
        format!(
            "<img src=\"/wapt/icons/{}.png\" alt=\"\" width=\"24\" height=\"24\" loading=\"lazy\">",
            encode(icon)
        )
    });
    let title = if row.name.is_empty() {
        &row.package
    } else {
        &row.name
    };
    // A timestamp prints in UTC.
    let date = row.uploaded_at;
    writeln!(
        html,
        "<tr><th scope=\"row\">{icon}<a href=\"/wapt/{link}\" download>{title}</a>{package}{about}</th>\
         <td class=\"version\">{version}{variant}</td><td>{section}</td>\
         <td class=\"size\">{size}</td><td>{signer}</td>\
         <td class=\"date\"><time datetime=\"{exact}\" title=\"{exact}\">{day}</time></td></tr>",
        link = encode(&row.filename),
        title = escape(title),
        package = small(if row.package == *title { "" } else { &row.package }),
        about = small(&row.description),
        version = escape(&row.version),
        variant = small(&row.variant),
        section = escape(&row.section),
        size = size_text(row.size),
        signer = escape(&row.signer),
        exact = date.strftime("%Y-%m-%dT%H:%M:%SZ"),
        day = date.strftime("%Y-%m-%d"),
    )
    .ok();
}

/// A faint line under the main one; nothing for nothing.
fn small(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("<small>{}</small>", escape(text))
    }
}

fn write_pages(html: &mut String, page: &BrowsePage) {
    let rows = page.rows.len() as u64;
    let after = page.skipped + rows;
    if page.skipped == 0 && after >= page.total {
        return;
    }
    let link = |skip: u64, relation: &str, text: &str| {
        format!(
            "<a href=\"/wapt/?q={}&amp;skip={skip}\" rel=\"{relation}\">{text}</a> ",
            encode(&page.query)
        )
    };
    html.push_str("<nav aria-label=\"Pages\">");
    if page.skipped > 0 {
        html.push_str(&link(
            page.skipped.saturating_sub(u64::from(PAGE_ROWS)),
            "prev",
            "Previous page",
        ));
    }
    if after < page.total {
        html.push_str(&link(after, "next", "Next page"));
    }
    html.push_str("</nav>\n");
}

/// Text as it stands in an element or a quoted attribute.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Control characters and direction overrides could make a row read as something else.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            other if other.is_control() => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

/// Text as one component of an address.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").ok();
        }
    }
    out
}

const HEAD_BEFORE_TITLE: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
    <meta name=\"color-scheme\" content=\"light dark\">\n<title>Packages on ";

const HEAD_AFTER_TITLE: &str = "</title>\n<style>\n\
    :root{color-scheme:light dark;--ground:#fff;--text:#1c2024;--faint:#5b636b;--line:#d9dde1;--link:#0b57b5}\n\
    @media (prefers-color-scheme:dark){:root{--ground:#16191c;--text:#e6e9ec;--faint:#9aa4ad;--line:#343a40;--link:#7db4ff}}\n\
    *{box-sizing:border-box}\n\
    body{margin:0 auto;max-width:76rem;padding:1.5rem;background:var(--ground);color:var(--text);font:16px/1.5 system-ui,sans-serif}\n\
    h1{font-size:1.4rem;margin:0}header p,.count{color:var(--faint);margin:.2rem 0 1rem}\n\
    form{display:flex;gap:.5rem;align-items:center;flex-wrap:wrap}\n\
    input,button{font:inherit;padding:.3rem .6rem;border:1px solid var(--line);border-radius:6px;background:var(--ground);color:var(--text)}\n\
    a{color:var(--link)}a:focus-visible,input:focus-visible,button:focus-visible{outline:2px solid var(--link);outline-offset:2px}\n\
    .scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}\n\
    th,td{text-align:left;vertical-align:top;padding:.5rem .75rem .5rem 0;border-bottom:1px solid var(--line);font-weight:400}\n\
    thead th{color:var(--faint);font-size:.85rem}tbody th a{font-weight:600}\n\
    small{display:block;color:var(--faint);font-size:.85rem;max-width:40rem}\n\
    td.size,td.date,td.version{white-space:nowrap;font-variant-numeric:tabular-nums}\n\
    th img{float:left;margin:.15rem .6rem 0 0}nav{margin:1rem 0;display:flex;gap:1.5rem}\n\
    </style>\n</head>\n<body>\n";

const TABLE_HEAD: &str = "<div class=\"scroll\">\n<table>\n<thead><tr><th scope=\"col\">Package</th>\
    <th scope=\"col\">Version</th><th scope=\"col\">Section</th><th scope=\"col\">Size</th>\
    <th scope=\"col\">Signed by</th><th scope=\"col\">Published</th></tr></thead>\n<tbody>\n";

const FOOT: &str = "</main>\n</body>\n</html>\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn row(package: &str) -> BrowseRow {
        BrowseRow {
            package: package.to_owned(),
            name: String::new(),
            version: "1.0-0".to_owned(),
            variant: "x64 PROD".to_owned(),
            section: "base".to_owned(),
            description: String::new(),
            size: 4_400_000,
            signer: "Alice".to_owned(),
            uploaded_at: "2026-11-24T08:00:00Z".parse().unwrap(),
            filename: format!("{package}_1.0-0_x64.wapt"),
            icon: None,
        }
    }

    #[test]
    fn a_row_shows_name_version_size_signer_and_date() {
        let html = page(&BrowsePage {
            server: "srv.example.org".to_owned(),
            rows: vec![row("tis-7zip")],
            total: 1,
            ..BrowsePage::default()
        });
        for part in [
            "tis-7zip",
            "1.0-0",
            "4.2 MiB",
            "Alice",
            "2026-11-24",
            "href=\"/wapt/tis-7zip_1.0-0_x64.wapt\"",
            "1 package<",
            "prefers-color-scheme:dark",
            "<title>Packages on srv.example.org",
        ] {
            assert!(html.contains(part), "{part}");
        }
        assert!(!html.contains("<nav"));
    }

    #[test]
    fn nothing_in_a_package_becomes_markup() {
        let evil = "<script>alert('x')</script>\"&\u{202e}";
        let html = page(&BrowsePage {
            server: evil.to_owned(),
            query: evil.to_owned(),
            rows: vec![BrowseRow {
                package: evil.to_owned(),
                name: evil.to_owned(),
                version: evil.to_owned(),
                variant: evil.to_owned(),
                section: evil.to_owned(),
                description: evil.to_owned(),
                signer: evil.to_owned(),
                filename: "\" onclick=\"x".to_owned(),
                icon: Some("\" onerror=\"x".to_owned()),
                ..row("x")
            }],
            total: 2000,
            skipped: 500,
        });
        assert!(!html.contains("<script"));
        assert!(!html.contains("onclick=\"x"));
        assert!(!html.contains("onerror=\"x"));
        assert!(!html.contains('\u{202e}'));
    }

    #[test]
    fn long_lists_link_to_the_pages_around() {
        let html = page(&BrowsePage {
            rows: (0..500).map(|number| row(&format!("p{number}"))).collect(),
            query: "a b".to_owned(),
            total: 1200,
            skipped: 500,
            ..BrowsePage::default()
        });
        assert!(html.contains("/wapt/?q=a%20b&amp;skip=0\" rel=\"prev\""));
        assert!(html.contains("/wapt/?q=a%20b&amp;skip=1000\" rel=\"next\""));
    }

    #[test]
    fn an_empty_list_says_so() {
        assert!(page(&BrowsePage::default()).contains("No package has been published yet"));
    }

    #[test]
    fn sizes_are_read_by_people() {
        assert_eq!(size_text(812), "812 B");
        assert_eq!(size_text(1024), "1.0 KiB");
        assert_eq!(size_text(5 << 40), "5.0 TiB");
        assert_eq!(size_text(u64::MAX), "16777216.0 TiB");
    }
}
