//! Seeds: which values an exercise draws, for a learner by herself and for each student of a course.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::lab::open;

/// A seed for somebody who learns by herself: short, so that she can tell it to others.
pub fn any() -> u64 {
    open::seed() % 1_000_000
}

/// The seed of a student in a course. Without the course's key nobody can tell which values another student has.
pub fn of_student(key: &[u8], exercise: &str, student: &str) -> u64 {
    // RFC 2104 takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return 0 };
    mac.update(exercise.as_bytes());
    mac.update(&[0]);
    mac.update(student.as_bytes());
    let bytes = mac.finalize().into_bytes();
    u64::from_be_bytes(bytes.first_chunk().copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_student_has_her_own() {
        // As printf 'bridge\0ann' | openssl dgst -sha256 -hmac course
        assert_eq!(of_student(b"course", "bridge", "ann"), 0xda20_d94c_91f7_6fa8);
        let all = [("course", "bridge", "bob"), ("course", "wire", "ann"), ("other", "bridge", "ann")];
        for (key, exercise, student) in all {
            assert_ne!(of_student(key.as_bytes(), exercise, student), of_student(b"course", "bridge", "ann"));
        }
    }
}
