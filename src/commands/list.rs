//! `list [<user>]`

use std::borrow::Cow;
use std::ffi::OsString;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;

use clap::{Args, ValueEnum};

use super::rows::{Columns, FIELDS};
use super::{Context, Outcome};
use crate::application_passwords::{Record, StoredList, named};
use crate::error::Error;
use crate::output::{self, Item, Output, RowStream, Value};
use crate::store::{User, UserMeta};
use crate::wordpress::compare::spaceship;
use crate::wordpress::schema::APPLICATION_PASSWORDS;

/// `list [<user>]`
#[derive(Debug, Args)]
pub struct List {
    /// User login, user email, or user ID; without it, every user of the site
    #[arg(value_name = "user")]
    pub user: Option<OsString>,

    /// Which entries.
    #[command(flatten)]
    pub filters: Filters,

    /// Which fields.
    #[command(flatten)]
    pub columns: Columns,

    /// Render output in a particular format
    #[arg(long, value_name = "format", value_parser = ["table", "csv", "json", "count", "yaml", "ids"])]
    pub format: Option<String>,

    /// Set orderby which field
    #[arg(long, value_name = "fields")]
    pub orderby: Option<OrderBy>,

    /// Set ascending or descending order
    #[arg(long, value_name = "order")]
    pub order: Option<Order>,
}

/// Exact matches, all of which an entry must fulfil.
#[derive(Debug, Args, Default)]
#[command(next_help_heading = "Filters")]
pub struct Filters {
    /// Filter by the universally unique ID
    #[arg(long, value_name = "uuid")]
    pub uuid: Option<OsString>,

    /// Filter by the application ID (--app-id is accepted too)
    #[arg(long = "app_id", value_name = "app_id")]
    pub app_id: Option<OsString>,

    /// Filter by the name
    #[arg(long, value_name = "name")]
    pub name: Option<OsString>,

    /// Filter by the hashed password
    #[arg(long, value_name = "password")]
    pub password: Option<OsString>,

    /// Filter by the time it was created, in Unix seconds UTC
    #[arg(long, value_name = "created")]
    pub created: Option<OsString>,

    /// Filter by the time it was last used, in Unix seconds UTC (--last-used is accepted too)
    #[arg(long = "last_used", value_name = "last_used")]
    pub last_used: Option<OsString>,

    /// Filter by the IP address it was last used from (--last-ip is accepted too)
    #[arg(long = "last_ip", value_name = "last_ip")]
    pub last_ip: Option<OsString>,
}

impl Filters {
    /// WP-CLI: values are compared as strings; a missing or null one is the empty string.
    fn accept(&self, record: &Record<'_>) -> bool {
        let filters = [
            &self.uuid,
            &self.app_id,
            &self.name,
            &self.password,
            &self.created,
            &self.last_used,
            &self.last_ip,
        ];
        FIELDS.iter().zip(filters).all(|(field, wanted)| {
            wanted.as_ref().is_none_or(|wanted| *as_text(record.field(field)) == *wanted.as_bytes())
        })
    }
}

/// PHP's `(string)` of a scalar; everything else counts as empty.
fn as_text(value: Option<Value<'_>>) -> Cow<'_, [u8]> {
    match value {
        Some(Value::Text(text)) => text,
        Some(Value::Int(number)) => number.to_string().into_bytes().into(),
        Some(Value::Float(number)) => output::float_string(number).into_bytes().into(),
        Some(Value::Bool(true)) => b"1"[..].into(),
        Some(Value::Bool(false) | Value::Null | Value::Map(_)) | None => Cow::default(),
    }
}

/// `--orderby`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each is the field of that name")]
pub enum OrderBy {
    Uuid,
    AppId,
    Name,
    Password,
    Created,
    LastUsed,
    LastIp,
    /// No order at all: what a bare `--orderby` means to WP-CLI.
    #[value(hide = true)]
    Stored,
}

impl OrderBy {
    fn field(self) -> &'static str {
        match self {
            Self::Uuid => "uuid",
            Self::AppId => "app_id",
            Self::Name => "name",
            Self::Password => "password",
            Self::Created => "created",
            Self::LastUsed => "last_used",
            Self::LastIp => "last_ip",
            Self::Stored => "",
        }
    }
}

/// `--order`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Order {
    Asc,
    Desc,
}

/// Lists one user's entries, or every user's.
///
/// # Errors
/// An unknown user, a failing database, a closed standard output.
pub fn run(args: &List, context: &mut Context<'_>) -> Result<Outcome, Error> {
    let Some(user) = &args.user else {
        return all_users(args, context);
    };
    let user = context.find_user(user)?;
    let list = context.passwords().read(user.id)?;
    context.warn_of(list.concerns(&user));
    let mut records: Vec<Record<'_>> = list.records().collect();
    sort(&mut records, |record| *record, args);
    records.retain(|record| args.filters.accept(record));
    let request = args.columns.request(args.format.as_deref(), &FIELDS)?;
    output::display_items(context.out, &request, &records)?;
    Ok(Outcome::Done)
}

/// WP-CLI: `usort()` with PHP's `<=>`, stable in both directions; newest first unless told otherwise.
fn sort<'d, T>(items: &mut [T], record: impl Fn(&T) -> Record<'d>, args: &List) {
    let field = args.orderby.unwrap_or(OrderBy::Created).field();
    let ascending = args.order == Some(Order::Asc);
    items.sort_by(|a, b| {
        let (a, b) = (record(a).get(field), record(b).get(field));
        if ascending { spaceship(a.as_ref(), b.as_ref()) } else { spaceship(b.as_ref(), a.as_ref()) }
    });
}

/// The columns of a list over all users: whose entry it is comes first.
const ALL_FIELDS: [&str; 9] =
    ["user_id", "user_login", "uuid", "app_id", "name", "password", "created", "last_used", "last_ip"];

/// An entry and the user who owns it.
struct OwnedRow<'a> {
    user: &'a User,
    record: Record<'a>,
}

impl Item for OwnedRow<'_> {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        match name {
            "user_id" => Some(Value::Int(self.user.id.0 as i64)),
            "user_login" => Some(Value::Text(Cow::Borrowed(&self.user.login))),
            _ => self.record.field(name),
        }
    }
}

/// Every user of the site, in the order of their ids. Rows are written as they are read, however many
/// users there are; only an order over all of them needs them all in memory.
fn all_users(args: &List, context: &mut Context<'_>) -> Result<Outcome, Error> {
    let request = args.columns.request(args.format.as_deref(), &ALL_FIELDS)?;
    if args.orderby.is_some() || args.order.is_some() {
        let mut kept: Vec<(User, StoredList)> = Vec::new();
        each_list(context, |_, user, list| {
            kept.push((user.clone(), list));
            Ok(())
        })?;
        let mut rows: Vec<OwnedRow<'_>> = kept
            .iter()
            .flat_map(|(user, list)| list.records().map(move |record| OwnedRow { user, record }))
            .filter(|row| args.filters.accept(&row.record))
            .collect();
        sort(&mut rows, |row| row.record, args);
        output::display_items(context.out, &request, &rows)?;
        return Ok(Outcome::Done);
    }
    let mut stream = RowStream::begin(context.out, &request, &ALL_FIELDS)?;
    each_list(context, |out, user, list| {
        let mut records: Vec<Record<'_>> = list.records().filter(|r| args.filters.accept(r)).collect();
        sort(&mut records, |record| *record, args);
        records.into_iter().try_for_each(|record| stream.row(out, &OwnedRow { user, record }))
    })?;
    stream.end(context.out)?;
    Ok(Outcome::Done)
}

/// Walks every user that has application passwords, with a warning where a list is not what it should be.
fn each_list(
    context: &mut Context<'_>,
    mut visit: impl FnMut(&mut Output<'static>, &User, StoredList) -> io::Result<()>,
) -> Result<(), Error> {
    let mut failed = None;
    let mut previous = None;
    let Context { store, out, .. } = context;
    store.each_user_meta(APPLICATION_PASSWORDS, &mut |row: UserMeta<'_>| {
        let login = row.login.unwrap_or_default().to_vec();
        let user = User { id: row.user, login, email: Vec::new() };
        // WordPress: of several rows the first counts.
        if previous.replace(row.user) == Some(row.user) {
            out.warning(format!(
                "User {} has more than one row of application passwords (usermeta row {} too). WordPress reads \
                 the first; the next change makes them all alike.",
                named(&user),
                row.umeta_id
            ));
            return ControlFlow::Continue(());
        }
        let list = StoredList::from_value(row.umeta_id, row.value);
        for concern in list.concerns(&user) {
            out.warning(concern);
        }
        match visit(out, &user, list) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    failed.map_or(Ok(()), |error| Err(error.into()))
}
