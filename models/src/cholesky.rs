//! Solves a system of linear equations with a symmetric positive definite matrix (A.-L. Cholesky, published by E. Benoit 1924).
//!
//! Invariant: the operations and their order depend only on the size of the matrix.
//! Not here: the equations (`linear`).

/// Solves `matrix · x = right`. Of the matrix, of `right.len()` rows one after the other, only the lower triangle is read; it is overwritten.
///
/// Returns `None` if the matrix is not positive definite.
pub fn solve(matrix: &mut [f64], right: &[f64]) -> Option<Vec<f64>> {
    let size = right.len();
    for row in 0..size {
        for column in 0..=row {
            let mut sum = matrix[row * size + column];
            for inner in 0..column {
                sum -= matrix[row * size + inner] * matrix[column * size + inner];
            }
            matrix[row * size + column] = if row != column {
                sum / matrix[column * size + column]
            } else if sum > 0.0 && sum.is_finite() {
                sum.sqrt()
            } else {
                return None;
            };
        }
    }
    let mut solution = right.to_vec();
    for row in 0..size {
        for inner in 0..row {
            solution[row] -= matrix[row * size + inner] * solution[inner];
        }
        solution[row] /= matrix[row * size + row];
    }
    for row in (0..size).rev() {
        for inner in row + 1..size {
            solution[row] -= matrix[inner * size + row] * solution[inner];
        }
        solution[row] /= matrix[row * size + row];
    }
    Some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_solved_and_an_indefinite_matrix_is_none() {
        let mut matrix = [4.0, 0.0, 0.0, 2.0, 5.0, 0.0, 2.0, 1.0, 6.0];
        let solution = solve(&mut matrix, &[14.0, 15.0, 22.0]).unwrap();
        for (found, expected) in solution.iter().zip([1.0, 2.0, 3.0]) {
            assert!((found - expected).abs() < 1e-12, "{solution:?}");
        }
        assert_eq!(solve(&mut [1.0, 0.0, 2.0, 1.0], &[1.0, 1.0]), None);
    }
}
