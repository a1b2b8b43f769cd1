//! Weights in several files: [`Group::read_shards`].

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;

use crate::{Error, Group, Result, json};

impl Group {
    /// Reads weights in several files by their index, as `model.weights.json`.
    ///
    /// The files lie beside the index, whose `weight_map` says which of them hold each group.
    ///
    /// # Errors
    ///
    /// If the index or a file that it names cannot be read, it names none or one elsewhere, or
    /// two of them hold the same tensor.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_formats::{Group, json};
    /// use deckle_tensor::Tensor;
    ///
    /// let folder = std::env::temp_dir().join("deckle-shards-example");
    /// std::fs::create_dir_all(&folder)?;
    /// for (file, path) in [("m_0.weights.h5", "a/vars/0"), ("m_1.weights.h5", "a/vars/1")] {
    ///     let mut shard = Group::new();
    ///     shard.insert(path, Tensor::scalar(1.5f32))?;
    ///     shard.write(folder.join(file))?;
    /// }
    /// let index = json::json!({"weight_map": {"/a/vars": ["m_0.weights.h5", "m_1.weights.h5"]}});
    /// json::write(folder.join("m.weights.json"), &index)?;
    ///
    /// let all = Group::read_shards(folder.join("m.weights.json"))?;
    /// assert_eq!(all.dataset("a/vars/1").unwrap().item::<f32>()?, 1.5);
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Keras
    ///
    /// What `model.save_weights("model.weights.json", max_shard_size=...)` writes.
    pub fn read_shards(index: impl AsRef<Path>) -> Result<Self> {
        let path = index.as_ref();
        let files = files(&json::read(path)?).map_err(|error| error.in_file(path))?;
        let mut all = Self::new();
        for file in files {
            let shard = path.with_file_name(file);
            let added = all.merge(Self::read(&shard)?);
            added.map_err(|error| error.in_file(&shard))?;
        }
        Ok(all)
    }

    /// Adds what another group holds.
    fn merge(&mut self, other: Self) -> Result<()> {
        self.attributes.extend(other.attributes);
        for (name, tensor) in other.datasets {
            if self.datasets.contains_key(&name) {
                return Err(Error::new("is in another file, too").inside(name));
            }
            self.datasets.insert(name, tensor);
        }
        for (name, group) in other.groups {
            let own = self.groups.entry(name.clone()).or_default();
            own.merge(group).map_err(|error| error.within(&name))?;
        }
        Ok(())
    }
}

/// The files that an index names, each once.
fn files(index: &Value) -> Result<BTreeSet<String>> {
    let map = index.get("weight_map").and_then(Value::as_object);
    let map = map.filter(|map| !map.is_empty()).ok_or_else(|| {
        Error::new("no object `weight_map` that names the files with the weights")
            .help("Keras writes it with save_weights(path, max_shard_size=...)")
    })?;
    let mut files = BTreeSet::new();
    for (group, value) in map {
        let names = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        for name in names {
            let file = name.as_str().filter(|name| is_beside(name)).ok_or_else(|| {
                Error::new(format_args!("{name} is no file beside the index"))
                    .inside(group)
                    .inside("weight_map")
            })?;
            files.insert(file.to_owned());
        }
    }
    Ok(files)
}

/// Whether that is a file's name, and no path to elsewhere.
fn is_beside(name: &str) -> bool {
    !name.contains(['\\', ':']) && Path::new(name).file_name() == Some(name.as_ref())
}

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;
    use tempfile::TempDir;

    use super::*;

    #[track_caller]
    fn check(index: &Value, expected: &str) {
        let scratch = TempDir::new().unwrap();
        for file in ["0.weights.h5", "1.weights.h5"] {
            let mut shard = Group::new();
            shard.insert("a/vars/0", Tensor::scalar(1.5f32)).unwrap();
            shard.write(scratch.path().join(file)).unwrap();
        }
        let path = scratch.path().join("m.weights.json");
        json::write(&path, index).unwrap();
        let error = Group::read_shards(&path).unwrap_err().to_string();
        let folder = format!("{}/", scratch.path().display());
        assert_eq!(error.replace(&folder, ""), expected);
    }

    #[test]
    fn an_index_that_leads_to_no_weights_is_an_error() {
        let help =
            "\n      help: Keras writes it with save_weights(path, max_shard_size=...)";
        for index in [json::json!({}), json::json!([1]), json::json!({"weight_map": {}})]
        {
            let problem = "no object `weight_map` that names the files with the weights";
            check(&index, &format!("m.weights.json: {problem}{help}"));
        }
        for name in ["../0.weights.h5", "/0.weights.h5", "a\\0.weights.h5", "..", ""] {
            check(
                &json::json!({"weight_map": {"/a/vars": ["0.weights.h5", name]}}),
                &format!(
                    "m.weights.json: weight_map: /a/vars: {} is no file beside the index",
                    json::json!(name)
                ),
            );
        }
        check(
            &json::json!({"weight_map": {"/a/vars": 3}}),
            "m.weights.json: weight_map: /a/vars: 3 is no file beside the index",
        );
        check(
            &json::json!({"weight_map": {"/a/vars": "2.weights.h5"}}),
            "2.weights.h5: cannot be read or written",
        );
        check(
            &json::json!({"weight_map": {"/a/vars": ["0.weights.h5", "1.weights.h5"]}}),
            "1.weights.h5: a/vars/0: is in another file, too",
        );
    }
}
