//! The Merkle tree over the target hosts of an action (RFC 9162 §2.1).
//!
//! Leaves are SHA-256(0x00 ‖ lower-case identifier), sorted; inner nodes SHA-256(0x01 ‖ left ‖ right). A host
//! receives the signed root and count with its own audit path, so that one signature serves any number of
//! hosts, and no host learns who the others are.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

type Hash = [u8; 32];

/// The longest audit path: trees of up to 2^40 leaves.
const MAX_PATH: usize = 40;

/// Where a host stands in the tree: its leaf's index and the hashes from leaf to root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    pub index: u64,
    /// Lower-case hex, lowest level first.
    pub path: Vec<String>,
}

/// Why a tree cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    #[error("an action needs at least one target")]
    Empty,
    #[error("the target {0} is listed twice")]
    Duplicate(String),
}

/// The tree over a set of identifiers.
#[derive(Debug, Clone)]
pub struct Tree {
    /// Lower-case identifiers in order.
    identifiers: Vec<String>,
    /// Every level, leaves first; the last holds the root alone.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// Builds the tree. O(n log n) for sorting, O(n) hashes.
    ///
    /// # Errors
    /// When there is no identifier, or one twice (ASCII case does not tell identifiers apart).
    pub fn new<S: AsRef<str>>(identifiers: &[S]) -> Result<Self, TreeError> {
        let mut identifiers: Vec<String> = identifiers
            .iter()
            .map(|one| one.as_ref().to_ascii_lowercase())
            .collect();
        identifiers.sort_unstable();
        if let Some([twice, _again]) = identifiers.windows(2).find(|pair| pair.first() == pair.last()) {
            return Err(TreeError::Duplicate(twice.clone()));
        }
        let mut level: Vec<Hash> = identifiers.iter().map(|one| leaf_hash(one)).collect();
        if level.is_empty() {
            return Err(TreeError::Empty);
        }
        let mut levels = Vec::new();
        while level.len() > 1 {
            // An odd last node is carried up unchanged, which is the tree of RFC 9162 read level by level.
            let above = level
                .chunks(2)
                .map(|pair| match pair {
                    [left, right] => node_hash(left, right),
                    rest => rest.first().copied().unwrap_or_default(),
                })
                .collect();
            levels.push(std::mem::replace(&mut level, above));
        }
        levels.push(level);
        Ok(Self { identifiers, levels })
    }

    /// How many leaves.
    pub fn count(&self) -> u64 {
        self.identifiers.len() as u64
    }

    /// The root in lower-case hex.
    pub fn root(&self) -> String {
        self.levels
            .last()
            .and_then(|level| level.first())
            .map(hex::encode)
            .unwrap_or_default()
    }

    /// The proof for one identifier, `None` when it is not in the tree. O(log n).
    pub fn proof(&self, identifier: &str) -> Option<Proof> {
        let wanted = identifier.to_ascii_lowercase();
        let index = self.identifiers.binary_search(&wanted).ok()?;
        let mut path = Vec::new();
        let mut position = index;
        for level in &self.levels {
            // The last node of a level with an odd count has no sibling and adds nothing to the path.
            if let Some(sibling) = level.get(position ^ 1).filter(|_node| level.len() > 1) {
                path.push(hex::encode(sibling));
            }
            position /= 2;
        }
        Some(Proof {
            index: index as u64,
            path,
        })
    }
}

/// The root over identifiers, in lower-case hex.
///
/// # Errors
/// As [`Tree::new`].
pub fn root<S: AsRef<str>>(identifiers: &[S]) -> Result<String, TreeError> {
    Tree::new(identifiers).map(|tree| tree.root())
}

/// Checks that an identifier is a leaf of the tree with this count and root (RFC 9162 §2.1.3.2).
pub fn verify(identifier: &str, proof: &Proof, count: u64, root_hex: &str) -> bool {
    let mut node_index = proof.index;
    let Some(mut last_index) = count.checked_sub(1) else {
        return false;
    };
    if node_index > last_index || proof.path.len() > MAX_PATH {
        return false;
    }
    let mut hash = leaf_hash(&identifier.to_ascii_lowercase());
    for step in &proof.path {
        let Some(sibling) = hex::decode(step)
            .ok()
            .and_then(|bytes| Hash::try_from(bytes).ok())
        else {
            return false;
        };
        if last_index == 0 {
            return false;
        }
        if node_index & 1 == 1 || node_index == last_index {
            hash = node_hash(&sibling, &hash);
            while node_index & 1 == 0 && node_index != 0 {
                node_index >>= 1;
                last_index >>= 1;
            }
        } else {
            hash = node_hash(&hash, &sibling);
        }
        node_index >>= 1;
        last_index >>= 1;
    }
    last_index == 0 && hex::encode(hash) == root_hex
}

fn leaf_hash(lower_case_identifier: &str) -> Hash {
    Sha256::new()
        .chain_update([0])
        .chain_update(lower_case_identifier)
        .finalize()
        .into()
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([1])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 9162 §2.1.1 as written: split at the largest power of two below n.
    fn root_by_definition(leaves: &[Hash]) -> Hash {
        if let [only] = leaves {
            return *only;
        }
        let split = leaves.len().next_power_of_two() / 2;
        node_hash(
            &root_by_definition(&leaves[..split]),
            &root_by_definition(&leaves[split..]),
        )
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("Host-{n:05}")).collect()
    }

    #[test]
    fn the_root_is_the_one_of_the_definition() {
        for count in 1..70 {
            let names = names(count);
            let leaves: Vec<Hash> = names.iter().map(|n| leaf_hash(&n.to_ascii_lowercase())).collect();
            assert_eq!(
                root(&names).unwrap(),
                hex::encode(root_by_definition(&leaves)),
                "{count}"
            );
        }
    }

    #[test]
    fn an_empty_set_and_a_duplicate_in_other_case_are_refused() {
        assert_eq!(Tree::new::<&str>(&[]).unwrap_err(), TreeError::Empty);
        assert_eq!(
            Tree::new(&["pc1", "PC1"]).unwrap_err(),
            TreeError::Duplicate("pc1".into())
        );
    }

    proptest! {
        #[test]
        fn every_member_is_proved_and_nobody_else(count in 1_usize..200, at in 0_usize..200) {
            let names = names(count);
            let tree = Tree::new(&names).unwrap();
            let name = &names[at % count];
            let proof = tree.proof(name).unwrap();
            prop_assert!(verify(&name.to_uppercase(), &proof, tree.count(), &tree.root()));
            prop_assert!(!verify("stranger", &proof, tree.count(), &tree.root()));

            prop_assert!(tree.proof("stranger").is_none());
        }

        #[test]
        fn a_changed_proof_is_refused(count in 2_usize..100, at in 0_usize..100, flip in 0_usize..6) {
            let names = names(count);
            let tree = Tree::new(&names).unwrap();
            let name = &names[at % count];
            let mut proof = tree.proof(name).unwrap();
            let step = flip % proof.path.len();
            let mut bytes = hex::decode(&proof.path[step]).unwrap();
            bytes[0] ^= 1;
            proof.path[step] = hex::encode(bytes);
            prop_assert!(!verify(name, &proof, tree.count(), &tree.root()));
        }
    }
}
