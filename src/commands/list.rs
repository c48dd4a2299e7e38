//! `list [<user>]`

use std::borrow::Cow;
use std::ffi::OsString;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;

use clap::{Args, ValueEnum};

use super::rows::{self, Columns, FIELDS};
use super::terms_args::wants_enforcing;
use super::{Context, Outcome};
use crate::application_passwords::{PlainReader, Record, StoredList, named};
use crate::error::Error;
use crate::output::{self, Item, Output, RowStream, Value};
use crate::store::{StoreError, User, UserId, UserMeta};
use crate::wordpress::compare::spaceship;
use crate::wordpress::php_serialize::View;
use crate::wordpress::plain_list::{Cell, Row, Rows};
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

    /// Without `<user>`: filter by the user's ID (--user-id is accepted too)
    #[arg(long = "user_id", value_name = "user_id")]
    pub user_id: Option<OsString>,

    /// Without `<user>`: filter by the user's login (--user-login is accepted too)
    #[arg(long = "user_login", value_name = "user_login")]
    pub user_login: Option<OsString>,
}

impl Filters {
    /// Whether this user's entries are wanted at all.
    fn accept_user(&self, user: &User) -> bool {
        self.user_id.as_ref().is_none_or(|wanted| user.id.to_string().as_bytes() == wanted.as_bytes())
            && self.user_login.as_ref().is_none_or(|wanted| user.login == wanted.as_bytes())
    }

    /// Whether there is no condition on entries.
    fn accept_all(&self) -> bool {
        self.all().iter().all(|filter| filter.is_none())
    }

    /// In the order of [`FIELDS`].
    fn all(&self) -> [&Option<OsString>; 7] {
        [&self.uuid, &self.app_id, &self.name, &self.password, &self.created, &self.last_used, &self.last_ip]
    }

    /// WP-CLI: values are compared as strings; a missing or null one is the empty string.
    fn accept(&self, record: &Record<'_>) -> bool {
        FIELDS.iter().zip(self.all()).all(|(field, wanted)| {
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
    // Not WP-CLI's: only without a user, see super::super::cli::grammar.
    UserId,
    UserLogin,
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
            Self::UserId => "user_id",
            Self::UserLogin => "user_login",
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
    if list.records().any(|record| wants_enforcing(&record)) {
        context.warn_of_enforcement();
    }
    let mut records: Vec<Record<'_>> = list.records().collect();
    sort(&mut records, |record, field| record.get(field), args);
    records.retain(|record| args.filters.accept(record));
    let request = args.columns.request(args.format.as_deref(), &FIELDS)?;
    output::display_items(context.out, &request, &records)?;
    Ok(Outcome::Done)
}

/// WP-CLI: `usort()` with PHP's `<=>`, stable in both directions; newest first unless told otherwise.
fn sort<T>(items: &mut [T], get: for<'i> fn(&'i T, &str) -> Option<View<'i>>, args: &List) {
    let field = args.orderby.unwrap_or(OrderBy::Created).field();
    let ascending = args.order == Some(Order::Asc);
    items.sort_by(|a, b| {
        let (a, b) = (get(a, field), get(b, field));
        if ascending { spaceship(a.as_ref(), b.as_ref()) } else { spaceship(b.as_ref(), a.as_ref()) }
    });
}

/// The columns of a list over all users: whose entry it is comes first.
const ALL_FIELDS: [&str; 9] =
    ["user_id", "user_login", "uuid", "app_id", "name", "password", "created", "last_used", "last_ip"];

/// `created` among an entry's own fields.
const CREATED: usize = 4;

/// An entry and the user who owns it.
struct OwnedRow<'a> {
    user: &'a User,
    entry: Entry<'a>,
}

/// An entry, whichever way it was read.
#[derive(Clone, Copy)]
enum Entry<'a> {
    Plain(Row<'a>),
    Record(Record<'a>),
}

impl Item for OwnedRow<'_> {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        self.field_at(self.place(name), name)
    }

    fn place(&self, name: &str) -> usize {
        ALL_FIELDS.iter().position(|field| *field == name).unwrap_or(usize::MAX)
    }

    #[inline]
    fn field_at(&self, place: usize, name: &str) -> Option<Value<'_>> {
        match (place, self.entry) {
            (0, _) => Some(Value::Int(self.user.id.0 as i64)),
            (1, _) => Some(Value::text(&self.user.login)),
            (_, Entry::Plain(row)) => match row.cell(place - 2) {
                Cell::Absent => rows::absent(name),
                Cell::Null => Some(Value::Null),
                Cell::Int(number) => Some(Value::Int(number)),
                Cell::Text(start, end) => Some(Value::text(row.text(start, end))),
            },
            (_, Entry::Record(record)) => rows::field(record, name),
        }
    }
}

/// Every user of the site, in the order of their ids. Rows are written as they are read, however many
/// users there are; only an order over all of them needs them all in memory.
fn all_users(args: &List, context: &mut Context<'_>) -> Result<Outcome, Error> {
    let request = args.columns.request(args.format.as_deref(), &ALL_FIELDS)?;
    if args.orderby.is_some() || args.order.is_some() {
        let mut kept: Vec<(User, StoredList)> = Vec::new();
        let left_out = each_user(context, |out, user, row| {
            if args.filters.accept_user(user) {
                kept.push((user.clone(), stored_list(out, user, row)));
            }
            Ok(())
        })?;
        let mut rows: Vec<(&User, Record<'_>)> = kept
            .iter()
            .flat_map(|(user, list)| list.records().map(move |record| (user, record)))
            .filter(|(_, record)| args.filters.accept(record))
            .collect();
        sort(
            &mut rows,
            |(user, record), field| match field {
                "user_id" => Some(View::Int(user.id.0.cast_signed())),
                "user_login" => Some(View::Str(Cow::Borrowed(&user.login))),
                field => record.get(field),
            },
            args,
        );
        let restricted = rows.iter().any(|(_, record)| wants_enforcing(record));
        let rows: Vec<OwnedRow<'_>> =
            rows.into_iter().map(|(user, record)| OwnedRow { user, entry: Entry::Record(record) }).collect();
        output::display_items(context.out, &request, &rows)?;
        if restricted {
            context.warn_of_enforcement();
        }
        return whole(left_out);
    }
    let mut stream = RowStream::begin(context.out, &request, &ALL_FIELDS)?;
    let unfiltered = args.filters.accept_all();
    let mut reader = PlainReader::default();
    let mut order = Vec::new();
    let mut restricted = false;
    let left_out = each_user(context, |out, user, row| {
        if !args.filters.accept_user(user) {
            return Ok(());
        }
        if let Some(rows) = reader.read(row.value).filter(|_| unfiltered) {
            newest_first(&rows, &mut order);
            return order.iter().try_for_each(|index| {
                stream.row(out, &OwnedRow { user, entry: Entry::Plain(rows.row(*index)) })
            });
        }
        let list = stored_list(out, user, row);
        let mut records: Vec<Record<'_>> = list.records().filter(|r| args.filters.accept(r)).collect();
        sort(&mut records, |record, field| record.get(field), args);
        restricted |= records.iter().any(wants_enforcing);
        records
            .into_iter()
            .try_for_each(|record| stream.row(out, &OwnedRow { user, entry: Entry::Record(record) }))
    })?;
    stream.end(context.out)?;
    if restricted {
        context.warn_of_enforcement();
    }
    whole(left_out)
}

/// How a list ends that is whole, but for a row that could not be shown.
fn whole(left_out: Option<StoreError>) -> Result<Outcome, Error> {
    left_out.map_or(Ok(Outcome::Done), |error| Err(error.into()))
}

/// What [`sort`] does without being told otherwise, to rows: `order` becomes their places.
fn newest_first(rows: &Rows<'_>, order: &mut Vec<usize>) {
    order.clear();
    order.extend(0..rows.count());
    order.sort_by(|a, b| match (rows.row(*a).cell(CREATED), rows.row(*b).cell(CREATED)) {
        (Cell::Int(a), Cell::Int(b)) => b.cmp(&a),
        _ => {
            let (a, b) = (rows.row(*a).get(CREATED), rows.row(*b).get(CREATED));
            spaceship(b.as_ref(), a.as_ref())
        }
    });
}

/// Walks every user that has application passwords. A row that is too long to be shown is returned when all others
/// were visited: they are a whole list without it.
fn each_user(
    context: &mut Context<'_>,
    mut visit: impl FnMut(&mut Output<'static>, &User, &UserMeta<'_>) -> io::Result<()>,
) -> Result<Option<StoreError>, Error> {
    let mut failed: Option<io::Error> = None;
    let mut user = User { id: UserId(0), login: Vec::new(), email: Vec::new() };
    let mut previous = None;
    let Context { store, out, .. } = context;
    let walked = store.each_user_meta(APPLICATION_PASSWORDS, &mut |row: UserMeta<'_>| {
        user.id = row.user;
        user.login.clear();
        user.login.extend_from_slice(row.login.unwrap_or_default());
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
        match visit(out, &user, &row) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    });
    match (failed, walked) {
        (Some(error), _) => Err(error.into()),
        (None, Ok(())) => Ok(None),
        (None, Err(too_long @ StoreError::TooLong(_))) => Ok(Some(too_long)),
        (None, Err(error)) => Err(error.into()),
    }
}

/// The list in a row of the walk, with a warning where it is not what it should be.
fn stored_list(out: &mut Output<'static>, user: &User, row: &UserMeta<'_>) -> StoredList {
    let list = StoredList::from_value(row.umeta_id, row.value);
    for concern in list.concerns(user) {
        out.warning(concern);
    }
    list
}
