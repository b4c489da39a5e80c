//! `/v1/meter/keys`.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use chrono::{DateTime, SubsecRound as _, Utc};
use metering_store::api_key::{self, ApiKeyRow};
use serde::Serialize;
use service_kit::auth::{Caller, Scope};
use service_kit::clock;
use service_kit::fields::Fields;
use service_kit::key::{ApiKey, ApiKeySecret};
use service_kit::problem::Problem;
use service_kit::request_log::RequestId;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Admin, Page};
use crate::error::QueryError;
use crate::keys::{self, Actor, Rotation};
use crate::new_key::{NewKey, parse_overlap};
use crate::state::QueryState;

pub(super) fn router() -> OpenApiRouter<QueryState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, delete))
        .routes(routes!(rotate))
}

/// A key as it is shown; its secret is not known any more.
#[derive(Debug, Serialize, ToSchema)]
struct Key {
    id: String,
    name: String,
    scopes: Vec<String>,
    /// The only tenant it may read and write.
    tenant_id: Option<String>,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    /// To the minute, up to a few seconds late.
    last_used_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Serialize, ToSchema)]
struct CreatedKey {
    id: String,
    /// Shown this once.
    secret: String,
    name: String,
    #[schema(value_type = Vec<String>)]
    scopes: Vec<Scope>,
    tenant_id: Option<String>,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
}

/// Newest first.
#[derive(Debug, Serialize, ToSchema)]
struct KeyList {
    data: Vec<Key>,
    next_cursor: Option<String>,
}

impl CreatedKey {
    fn new(key: ApiKey, secret: &ApiKeySecret) -> Self {
        Self {
            id: key.id,
            secret: secret.as_str().to_owned(),
            name: key.name,
            scopes: key.scopes,
            tenant_id: key.tenant_id,
            created_at: key.created_at,
            expires_at: key.expires_at,
        }
    }
}

impl From<ApiKeyRow> for Key {
    fn from(row: ApiKeyRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            scopes: row.scopes,
            tenant_id: row.tenant_id,
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
        }
    }
}

/// List API keys
///
/// Newest first, without the deleted ones; a caller that is bound to a tenant sees this tenant's.
/// Secrets are shown once, when a key is made. Needs the scope `admin`.
#[utoipa::path(
    get, path = "/v1/meter/keys", operation_id = "list_keys", tag = "API keys",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "Keys of a page; 100 unless said"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, description = "A page.", body = KeyList)),
)]
async fn list(
    State(state): State<QueryState>,
    Admin { caller, params }: Admin,
) -> Result<Json<KeyList>, QueryError> {
    let page = Page::parse("keys", params, &caller, &state)?;
    let tenant = caller.tenant_id.as_deref();
    let mut conn = state.read_as(&caller).await?;
    let rows = api_key::list(&mut conn, tenant, page.after.clone(), page.fetch()).await?;
    let (rows, next_cursor) = page.cut(rows, &state, |row| (row.created_at, row.id.clone()));
    let data = rows.into_iter().map(Key::from).collect();
    Ok(Json(KeyList { data, next_cursor }))
}

/// Show an API key
///
/// Without its secret. Needs the scope `admin`.
#[utoipa::path(
    get, path = "/v1/meter/keys/{id}", operation_id = "get_key", tag = "API keys",
    params(("id" = String, Path)),
    responses((status = 200, description = "The key.", body = Key)),
)]
async fn show(
    State(state): State<QueryState>,
    Path(id): Path<String>,
    Admin { caller, params }: Admin,
) -> Result<Json<Key>, QueryError> {
    params.finish("none")?;
    let mut conn = state.read_as(&caller).await?;
    let found = api_key::find(&mut conn, &checked(&id)?, caller.tenant_id.as_deref()).await?;
    let live = found.filter(|key| key.deleted_at.is_none());
    Ok(Json(live.ok_or(QueryError::NoKey)?.into()))
}

/// Create an API key
///
/// When this is answered every service lets the key in. Its secret is shown this once. A caller that
/// is bound to a tenant makes keys of this tenant. Needs the scope `admin`; in the audit log as
/// `key.create`.
#[utoipa::path(
    post, path = "/v1/meter/keys", operation_id = "create_key", tag = "API keys",
    responses((status = 201, description = "The key and its secret.", body = CreatedKey)),
)]
async fn create(
    State(state): State<QueryState>,
    Admin { caller, params }: Admin,
    Extension(request_id): Extension<RequestId>,
    fields: Result<Fields, Problem>,
) -> Result<(StatusCode, Json<CreatedKey>), QueryError> {
    params.finish("none")?;
    // Postgres keeps microseconds.
    let now = clock::now().trunc_subsecs(6);
    let fields = fields.map_err(QueryError::Refused)?;
    let new = NewKey::parse(fields, &caller, now).map_err(QueryError::Refused)?;
    let secret = ApiKeySecret::generate();
    let key = ApiKey {
        id: secret.id().to_owned(),
        name: new.name,
        secret_sha256: secret.sha256(),
        scopes: new.scopes,
        tenant_id: new.tenant_id,
        created_at: now,
        expires_at: new.expires_at,
    };
    keys::create(
        state.owner(),
        state.bucket(),
        &key,
        actor(&caller, request_id),
    )
    .await?;
    Ok((StatusCode::CREATED, Json(CreatedKey::new(key, &secret))))
}

/// Rotate an API key
///
/// Makes a key that may do the same, for as long; the old one goes on for `overlap_seconds`, a day
/// unless said, so that whoever uses it has time to change. When this is answered every service lets
/// the new key in. Its secret is shown this once. Needs the scope `admin`; in the audit log as
/// `key.rotate` and `key.create`.
#[utoipa::path(
    post, path = "/v1/meter/keys/{id}/rotate", operation_id = "rotate_key", tag = "API keys",
    params(("id" = String, Path)),
    responses((status = 201, description = "The new key and its secret.", body = CreatedKey)),
)]
async fn rotate(
    State(state): State<QueryState>,
    Path(id): Path<String>,
    Admin { caller, params }: Admin,
    Extension(request_id): Extension<RequestId>,
    fields: Result<Fields, Problem>,
) -> Result<(StatusCode, Json<CreatedKey>), QueryError> {
    params.finish("none")?;
    let fields = fields.map_err(QueryError::Refused)?;
    let overlap = parse_overlap(fields).map_err(QueryError::Refused)?;
    let (id, now) = (checked(&id)?, clock::now().trunc_subsecs(6));
    let secret = ApiKeySecret::generate();
    let rotation = Rotation {
        new_id: secret.id().to_owned(),
        new_secret_sha256: secret.sha256(),
        now,
        old_ends_at: now + overlap,
    };
    let actor = actor(&caller, request_id);
    let (store, bucket, known) = (state.owner(), state.bucket(), state.keys());
    let key = keys::rotate(store, bucket, known, (&id, rotation), actor).await?;
    Ok((StatusCode::CREATED, Json(CreatedKey::new(key, &secret))))
}

/// Delete an API key
///
/// Every service refuses it at the latest five seconds after this is answered. Needs the scope
/// `admin`; in the audit log as `key.delete`.
#[utoipa::path(
    delete, path = "/v1/meter/keys/{id}", operation_id = "delete_key", tag = "API keys",
    params(("id" = String, Path)),
    responses((status = 204, description = "It is deleted.")),
)]
async fn delete(
    State(state): State<QueryState>,
    Path(id): Path<String>,
    Admin { caller, params }: Admin,
    Extension(request_id): Extension<RequestId>,
) -> Result<StatusCode, QueryError> {
    params.finish("none")?;
    let (id, now) = (checked(&id)?, clock::now());
    let actor = actor(&caller, request_id);
    keys::delete(state.owner(), state.bucket(), &id, actor, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn actor(caller: &Caller, RequestId(request_id): RequestId) -> Actor<'_> {
    Actor {
        key: Some(&caller.key_id),
        tenant: caller.tenant_id.as_deref(),
        request: Some(request_id),
    }
}

/// What cannot be an id is nobody's: it must not get to Postgres, or into the broker's subjects.
fn checked(id: &str) -> Result<String, QueryError> {
    if ApiKeySecret::is_id(id) {
        Ok(id.to_owned())
    } else {
        Err(QueryError::NoKey)
    }
}
