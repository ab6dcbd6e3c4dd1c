//! What people say to a request, as it is sent: a reason where one is needed, terms where they may be.

use countersign_protocol::Hash;
use serde::Deserialize;
use utoipa::ToSchema;

use super::extract::maybe_whole_number;
use crate::reason::Reason;
use crate::store::answers::giving::Given;
use crate::store::answers::{Kind, Narrowed};

/// An answer; `shown` is the hash of the question as it was shown.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum NewAnswer {
    /// Yes; to fewer `uses` or for less time than was asked for, where that is said.
    Approve {
        #[serde(default)]
        reason: Option<Reason>,
        shown: Hash,
        #[serde(default, deserialize_with = "maybe_whole_number")]
        uses: Option<i64>,
        #[serde(default, deserialize_with = "maybe_whole_number")]
        use_within_ms: Option<i64>,
    },
    /// Yes, and no others are needed: for those whom a gate's policy names, with a second factor. Somebody else
    /// reviews it afterwards.
    BreakGlass {
        reason: Reason,
        shown: Hash,
        #[serde(default, deserialize_with = "maybe_whole_number")]
        uses: Option<i64>,
        #[serde(default, deserialize_with = "maybe_whole_number")]
        use_within_ms: Option<i64>,
    },
    /// No, for good; the caller sees the reason.
    Reject { reason: Reason, shown: Hash },
    /// Not without one more person looking at it.
    Flag { reason: Reason, shown: Hash },
}

impl NewAnswer {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Approve { .. } => Kind::Approve,
            Self::BreakGlass { .. } => Kind::BreakGlass,
            Self::Reject { .. } => Kind::Reject,
            Self::Flag { .. } => Kind::Flag,
        }
    }

    /// Given by somebody who proved who they are by `amr`.
    pub(super) fn given(self, amr: Vec<String>) -> Given {
        let kind = self.kind();
        let (reason, shown, narrowed) = match self {
            Self::Approve { reason, shown, uses, use_within_ms } => {
                (reason, shown, Narrowed { uses, use_within_ms })
            }
            Self::BreakGlass { reason, shown, uses, use_within_ms } => {
                (Some(reason), shown, Narrowed { uses, use_within_ms })
            }
            Self::Reject { reason, shown } | Self::Flag { reason, shown } => {
                (Some(reason), shown, Narrowed::default())
            }
        };
        Given { kind, reason, shown, amr, narrowed, assertion: None }
    }
}
