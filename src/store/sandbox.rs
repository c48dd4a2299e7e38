//! The sandbox's database: a small WordPress site in one SQLite file, as the SQLite integration would have it.
//!
//! The tables are those of WordPress 7.1 with the integration's current driver: `STRICT`, text compared
//! without regard to case, write-ahead log. Its helper tables (`_wp_sqlite_*`) are left to the driver: it
//! finds its version missing, derives them from the tables, and takes the file over. No `db_version` is
//! stored, because no WordPress has ever run here and none should be claimed.
//!
//! WordPress: `wp_get_db_schema()` and `populate_roles()` in `wp-admin/includes/schema.php`,
//! `wp_insert_user()` in `wp-includes/user.php`.

use std::path::Path;

use rusqlite::{Connection, params};

use super::StoreError;

/// A user of the sandbox: login, role, and the legacy level that goes with the role.
const USERS: [(&str, &str, u8); 5] = [
    ("admin", "administrator", 10),
    ("editor", "editor", 7),
    ("author", "author", 2),
    ("subscriber", "subscriber", 0),
    ("inventory-sync-bot", "editor", 7),
];

/// `user_pass` of everybody. No hash scheme produces it, so no login accepts any password.
const NO_PASSWORD: &str = "*";

/// WordPress: a table's columns (`i` integer, `t` text, `?` nullable, `=` default) and its indexes.
struct Table {
    name: &'static str,
    columns: &'static [&'static str],
    indexes: &'static [(&'static str, &'static str)],
}

/// Fills a new, empty file.
///
/// # Errors
/// What SQLite reports: a full disk, a file that another process took.
pub fn create(file: &Path) -> Result<(), StoreError> {
    fill(file).map_err(|error| {
        StoreError::failed(format!("The sandbox {} cannot be written: {error}.", file.display()))
    })
}

fn fill(file: &Path) -> rusqlite::Result<()> {
    let mut database = Connection::open(file)?;
    // Before the first table, so that the mode is in the file from its first page on.
    database.pragma_update(None, "journal_mode", "wal")?;
    let change = database.transaction()?;
    for table in TABLES {
        change.execute_batch(&definition(table))?;
    }
    for (name, value) in OPTIONS {
        add_option(&change, name, value)?;
    }
    add_option(&change, "wp_user_roles", &roles())?;
    for (login, role, level) in USERS {
        add_user(&change, login, role, level)?;
    }
    change.commit()?;
    database.close().map_err(|(_, error)| error)
}

fn add_option(database: &Connection, name: &str, value: &str) -> rusqlite::Result<()> {
    database.execute(
        "INSERT INTO wp_options (option_name, option_value, autoload) VALUES (?1, ?2, 'on')",
        params![name, value],
    )?;
    Ok(())
}

fn add_user(database: &Connection, login: &str, role: &str, level: u8) -> rusqlite::Result<()> {
    database.execute(
        "INSERT INTO wp_users (user_login, user_pass, user_nicename, user_email, user_registered, display_name) \
         VALUES (?1, ?2, ?1, ?3, datetime('now'), ?1)",
        params![login, NO_PASSWORD, format!("{login}@sandbox.invalid")],
    )?;
    let user = database.last_insert_rowid();
    let capabilities = format!("a:1:{{s:{}:\"{role}\";b:1;}}", role.len());
    let level = level.to_string();
    // WordPress: `wp_insert_user()` writes these, in this order.
    let meta: [(&str, &str); 14] = [
        ("nickname", login),
        ("first_name", ""),
        ("last_name", ""),
        ("description", ""),
        ("rich_editing", "true"),
        ("syntax_highlighting", "true"),
        ("infinite_scrolling", "true"),
        ("comment_shortcuts", "false"),
        ("admin_color", "modern"),
        ("use_ssl", "0"),
        ("show_admin_bar_front", "true"),
        ("locale", ""),
        ("wp_capabilities", &capabilities),
        ("wp_user_level", &level),
    ];
    for (key, value) in meta {
        database.execute(
            "INSERT INTO wp_usermeta (user_id, meta_key, meta_value) VALUES (?1, ?2, ?3)",
            params![user, key, value],
        )?;
    }
    Ok(())
}

/// `CREATE TABLE` and `CREATE INDEX`, worded as the driver stores them in `sqlite_schema`.
fn definition(table: &Table) -> String {
    let mut lines: Vec<String> = table.columns.iter().map(|column| column_definition(column)).collect();
    let mut indexes = String::new();
    for (name, columns) in table.indexes {
        let quoted: Vec<String> = columns.split(' ').map(|column| format!("`{column}`")).collect();
        let quoted = quoted.join(", ");
        match name.strip_prefix('!') {
            Some("PRIMARY") => lines.push(format!("  PRIMARY KEY ({quoted})")),
            Some(unique) => {
                indexes.push_str(&format!(
                    "CREATE UNIQUE INDEX `{0}__{unique}` ON `{0}` ({quoted});\n",
                    table.name
                ));
            }
            None => {
                indexes.push_str(&format!("CREATE INDEX `{0}__{name}` ON `{0}` ({quoted});\n", table.name))
            }
        }
    }
    format!("CREATE TABLE `{}` (\n{}\n) STRICT;\n{indexes}", table.name, lines.join(",\n"))
}

/// One column from its shorthand: `name #` is the key, `name i`, `name t`, `name t?`, `name t=default`,
/// `name t!` (no default).
fn column_definition(shorthand: &str) -> String {
    let (name, kind) = shorthand.split_once(' ').unwrap_or((shorthand, "t"));
    let (kind, rest) = kind.split_at(1);
    let default = match rest.strip_prefix('=') {
        Some(text) => format!(" DEFAULT '{text}'"),
        None if kind == "i" => " DEFAULT '0'".into(),
        None if rest == "!" => String::new(),
        None => " DEFAULT ''".into(),
    };
    match (kind, rest) {
        ("#", _) => format!("  `{name}` INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT"),
        ("i", _) => format!("  `{name}` INTEGER NOT NULL{default}"),
        (_, "?") => format!("  `{name}` TEXT COLLATE NOCASE"),
        _ => format!("  `{name}` TEXT COLLATE NOCASE NOT NULL{default}"),
    }
}

/// The option `wp_user_roles`, serialized as PHP does.
fn roles() -> String {
    let mut value = format!("a:{}:{{", ROLES.len());
    for (role, name, capabilities) in ROLES {
        let capabilities: Vec<&str> = capabilities.split(' ').collect();
        value.push_str(&format!(
            "s:{}:\"{role}\";a:2:{{s:4:\"name\";s:{}:\"{name}\";s:12:\"capabilities\";a:{}:{{",
            role.len(),
            name.len(),
            capabilities.len()
        ));
        for capability in capabilities {
            value.push_str(&format!("s:{}:\"{capability}\";b:1;", capability.len()));
        }
        value.push_str("}}");
    }
    value.push('}');
    value
}

const OPTIONS: [(&str, &str); 22] = [
    ("siteurl", "http://sandbox.invalid"),
    ("home", "http://sandbox.invalid"),
    ("blogname", "Sandbox"),
    ("blogdescription", ""),
    ("users_can_register", "0"),
    ("admin_email", "admin@sandbox.invalid"),
    ("start_of_week", "1"),
    ("posts_per_page", "10"),
    ("date_format", "F j, Y"),
    ("time_format", "g:i a"),
    ("permalink_structure", ""),
    ("rewrite_rules", ""),
    ("blog_charset", "UTF-8"),
    ("active_plugins", "a:0:{}"),
    ("gmt_offset", "0"),
    ("template", "twentytwentyfive"),
    ("stylesheet", "twentytwentyfive"),
    ("html_type", "text/html"),
    ("default_role", "subscriber"),
    ("blog_public", "0"),
    ("show_on_front", "posts"),
    ("timezone_string", ""),
];

/// Role, its name, and what it may do.
const ROLES: [(&str, &str, &str); 5] = [
    (
        "administrator",
        "Administrator",
        "switch_themes edit_themes activate_plugins edit_plugins edit_users edit_files manage_options moderate_comments \
         manage_categories manage_links upload_files import unfiltered_html edit_posts edit_others_posts \
         edit_published_posts publish_posts edit_pages read level_10 level_9 level_8 level_7 level_6 level_5 level_4 \
         level_3 level_2 level_1 level_0 edit_others_pages edit_published_pages publish_pages delete_pages \
         delete_others_pages delete_published_pages delete_posts delete_others_posts delete_published_posts \
         delete_private_posts edit_private_posts read_private_posts delete_private_pages edit_private_pages \
         read_private_pages delete_users create_users unfiltered_upload edit_dashboard update_plugins delete_plugins \
         install_plugins update_themes install_themes update_core list_users remove_users promote_users \
         edit_theme_options delete_themes export",
    ),
    (
        "editor",
        "Editor",
        "moderate_comments manage_categories manage_links upload_files unfiltered_html edit_posts edit_others_posts \
         edit_published_posts publish_posts edit_pages read level_7 level_6 level_5 level_4 level_3 level_2 level_1 \
         level_0 edit_others_pages edit_published_pages publish_pages delete_pages delete_others_pages \
         delete_published_pages delete_posts delete_others_posts delete_published_posts delete_private_posts \
         edit_private_posts read_private_posts delete_private_pages edit_private_pages read_private_pages",
    ),
    (
        "author",
        "Author",
        "upload_files edit_posts edit_published_posts publish_posts read level_2 level_1 level_0 delete_posts \
         delete_published_posts",
    ),
    ("contributor", "Contributor", "edit_posts read level_1 level_0 delete_posts"),
    ("subscriber", "Subscriber", "read level_0"),
];

const META_INDEX: (&str, &str) = ("meta_key", "meta_key");

const TABLES: &[Table] = &[
    Table {
        name: "wp_users",
        columns: &[
            "ID #",
            "user_login t",
            "user_pass t",
            "user_nicename t",
            "user_email t",
            "user_url t",
            "user_registered t=0000-00-00 00:00:00",
            "user_activation_key t",
            "user_status i",
            "display_name t",
        ],
        indexes: &[
            ("user_login_key", "user_login"),
            ("user_nicename", "user_nicename"),
            ("user_email", "user_email"),
        ],
    },
    Table {
        name: "wp_usermeta",
        columns: &["umeta_id #", "user_id i", "meta_key t?", "meta_value t?"],
        indexes: &[("user_id", "user_id"), META_INDEX],
    },
    Table {
        name: "wp_termmeta",
        columns: &["meta_id #", "term_id i", "meta_key t?", "meta_value t?"],
        indexes: &[("term_id", "term_id"), META_INDEX],
    },
    Table {
        name: "wp_terms",
        columns: &["term_id #", "name t", "slug t", "term_group i"],
        indexes: &[("slug", "slug"), ("name", "name")],
    },
    Table {
        name: "wp_term_taxonomy",
        columns: &["term_taxonomy_id #", "term_id i", "taxonomy t", "description t!", "parent i", "count i"],
        indexes: &[("!term_id_taxonomy", "term_id taxonomy"), ("taxonomy", "taxonomy")],
    },
    Table {
        name: "wp_term_relationships",
        columns: &["object_id i", "term_taxonomy_id i", "term_order i"],
        indexes: &[("!PRIMARY", "object_id term_taxonomy_id"), ("term_taxonomy_id", "term_taxonomy_id")],
    },
    Table {
        name: "wp_commentmeta",
        columns: &["meta_id #", "comment_id i", "meta_key t?", "meta_value t?"],
        indexes: &[("comment_id", "comment_id"), META_INDEX],
    },
    Table {
        name: "wp_comments",
        columns: &[
            "comment_ID #",
            "comment_post_ID i",
            "comment_author t!",
            "comment_author_email t",
            "comment_author_url t",
            "comment_author_IP t",
            "comment_date t=0000-00-00 00:00:00",
            "comment_date_gmt t=0000-00-00 00:00:00",
            "comment_content t!",
            "comment_karma i",
            "comment_approved t=1",
            "comment_agent t",
            "comment_type t=comment",
            "comment_parent i",
            "user_id i",
        ],
        indexes: &[
            ("comment_post_ID", "comment_post_ID"),
            ("comment_approved_date_gmt", "comment_approved comment_date_gmt"),
            ("comment_date_gmt", "comment_date_gmt"),
            ("comment_parent", "comment_parent"),
            ("comment_author_email", "comment_author_email"),
        ],
    },
    Table {
        name: "wp_links",
        columns: &[
            "link_id #",
            "link_url t",
            "link_name t",
            "link_image t",
            "link_target t",
            "link_description t",
            "link_visible t=Y",
            "link_owner i=1",
            "link_rating i",
            "link_updated t=0000-00-00 00:00:00",
            "link_rel t",
            "link_notes t!",
            "link_rss t",
        ],
        indexes: &[("link_visible", "link_visible")],
    },
    Table {
        name: "wp_options",
        columns: &["option_id #", "option_name t", "option_value t!", "autoload t=yes"],
        indexes: &[("!option_name", "option_name"), ("autoload", "autoload")],
    },
    Table {
        name: "wp_postmeta",
        columns: &["meta_id #", "post_id i", "meta_key t?", "meta_value t?"],
        indexes: &[("post_id", "post_id"), META_INDEX],
    },
    Table {
        name: "wp_posts",
        columns: &[
            "ID #",
            "post_author i",
            "post_date t=0000-00-00 00:00:00",
            "post_date_gmt t=0000-00-00 00:00:00",
            "post_content t!",
            "post_title t!",
            "post_excerpt t!",
            "post_status t=publish",
            "comment_status t=open",
            "ping_status t=open",
            "post_password t",
            "post_name t",
            "to_ping t!",
            "pinged t!",
            "post_modified t=0000-00-00 00:00:00",
            "post_modified_gmt t=0000-00-00 00:00:00",
            "post_content_filtered t!",
            "post_parent i",
            "guid t",
            "menu_order i",
            "post_type t=post",
            "post_mime_type t",
            "comment_count i",
        ],
        indexes: &[
            ("post_name", "post_name"),
            ("type_status_date", "post_type post_status post_date ID"),
            ("post_parent", "post_parent"),
            ("post_author", "post_author"),
            ("type_status_author", "post_type post_status post_author"),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_sandbox_has_its_users_and_claims_no_version() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sandbox.sqlite");
        create(&file).unwrap();
        assert!(
            !folder.path().join("sandbox.sqlite-wal").exists(),
            "the log must be folded in when the file is closed"
        );
        let database = Connection::open(&file).unwrap();
        let logins: String = database
            .query_row(
                "SELECT group_concat(user_login) FROM (SELECT * FROM wp_users ORDER BY ID)",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(logins, "admin,editor,author,subscriber,inventory-sync-bot");
        let versions: i64 = database
            .query_row("SELECT count(*) FROM wp_options WHERE option_name LIKE '%version%'", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(versions, 0);
        let strict: i64 = database
            .query_row(
                "SELECT count(*) FROM pragma_table_list WHERE name LIKE 'wp\\_%' ESCAPE '\\' AND strict",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(strict, 12);
        let mode: String = database.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
    }
}
