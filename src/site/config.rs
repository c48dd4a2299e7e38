//! From an evaluated `wp-config.php` to a site.

use std::path::Path;

use super::{Request, Site, SiteError};

pub(super) fn site(_root: &Path, config: &Path, _request: &Request) -> Result<Site, SiteError> {
    Err(SiteError::Config(format!("{} is not evaluated.", config.display())))
}
