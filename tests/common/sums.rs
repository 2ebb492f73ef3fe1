//! Sums in float32 in a random order.

use super::Dice;

/// A sum of products and a bias along a random tree, some products fused into a sum.
pub fn random_sum(dice: &mut Dice, products: Vec<(f32, f32)>, bias: f32) -> f32 {
    enum Item {
        Product(f32, f32),
        Value(f32),
    }
    let value = |item: &Item| match item {
        Item::Product(w, x) => w * x,
        Item::Value(v) => *v,
    };
    let mut items: Vec<Item> = products.into_iter().map(|(w, x)| Item::Product(w, x)).collect();
    items.push(Item::Value(bias));
    while items.len() > 1 {
        let a = items.swap_remove(dice.below(items.len()));
        let b = items.swap_remove(dice.below(items.len()));
        items.push(Item::Value(match (&a, dice.below(2)) {
            (Item::Product(w, x), 0) => w.mul_add(*x, value(&b)),
            _ => value(&a) + value(&b),
        }));
    }
    value(&items[0])
}
