//! Tensors whose numbers lie in a file beside the model.

use super::proto::TensorProto;
use crate::format::fingerprint::Fingerprint;
use std::cell::Cell;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

/// The folder of a model, in which, and nowhere else, such files may lie.
#[derive(Debug)]
pub(super) struct External {
    folder: Option<PathBuf>,
    fingerprint: Cell<Fingerprint>,
}

impl External {
    /// No folder: the model is read from memory.
    pub fn none() -> Self {
        Self { folder: None, fingerprint: Cell::default() }
    }

    /// The folder of a model's file, which has this fingerprint.
    pub fn beside(model: &Path, fingerprint: Fingerprint) -> Self {
        let folder = model.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self { folder: Some(folder.to_owned()), fingerprint: Cell::new(fingerprint) }
    }

    /// Of the model and of all that was read beside it.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint.get()
    }

    /// The `size` bytes of a tensor.
    pub fn read(&self, tensor: &TensorProto, size: usize) -> Result<Vec<u8>, String> {
        let mend = "save the model as one file (onnx.save without external data)";
        let entry = |key: &str| {
            let found = tensor.external_data.iter().find(|e| e.key.as_deref() == Some(key));
            found.and_then(|e| e.value.as_deref())
        };
        let number = |key: &str| match entry(key).map(|text| text.trim().parse::<u64>()) {
            None => Ok(None),
            Some(Ok(n)) => Ok(Some(n)),
            Some(Err(_)) => Err(format!("names a {key} of its data that is no number")),
        };
        let name = entry("location").ok_or_else(|| format!("lies in another file, which it does not name; {mend}"))?;
        let Some(folder) = &self.folder else {
            return Err(format!("lies in another file, `{name:.80}`, and the model is not read from a folder; {mend}"));
        };
        let mut components = Path::new(name).components();
        if !matches!((components.next(), components.next()), (Some(Component::Normal(_)), None)) {
            return Err(format!("lies in `{name:.80}`, which is not a file of the model's own folder; {mend}"));
        }
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        if length.is_some_and(|length| length != size as u64) {
            return Err(format!("takes {} bytes of `{name:.80}`, its shape needs {size}", length.unwrap_or(0)));
        }
        let path = folder.join(name);
        let place = |e: std::io::Error| format!("lies in {}, which cannot be read: {e}", path.display());
        let found = std::fs::symlink_metadata(&path).map_err(place)?;
        if !found.is_file() {
            return Err(format!("lies in {}, which is a link or no plain file; {mend}", path.display()));
        }
        if offset.checked_add(size as u64).is_none_or(|end| end > found.len()) {
            return Err(format!(
                "needs bytes {offset} to {} of {}, which has {}; is it cut off?",
                offset.saturating_add(size as u64),
                path.display(),
                found.len()
            ));
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size).map_err(|_| format!("needs {size} bytes of memory, which cannot be had"))?;
        let mut file = File::open(&path).map_err(place)?;
        file.seek(SeekFrom::Start(offset)).map_err(place)?;
        file.take(size as u64).read_to_end(&mut bytes).map_err(place)?;
        let mut fingerprint = self.fingerprint.get();
        fingerprint.update(&bytes);
        self.fingerprint.set(fingerprint);
        Ok(bytes)
    }
}
