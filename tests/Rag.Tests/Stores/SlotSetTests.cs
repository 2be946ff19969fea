using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Tests.Stores;

public class SlotSetTests
{
    public static TheoryData<int[], int[]> Pairs => new()
    {
        // A bitmap that is smaller than the list, one that has been emptied, two lists, two bitmaps.
        { [.. Enumerable.Range(0, 400)], [.. Enumerable.Range(0, 1000).Select(i => i * 1000)] },
        { [.. Enumerable.Range(0, 300)], [.. Enumerable.Range(0, 500).Select(i => i * 100 + 7)] },
        { [1, 5, 9], [5, 9, 1000] },
        { [.. Enumerable.Range(0, 1000)], [.. Enumerable.Range(500, 5000)] },
    };

    [Theory]
    [MemberData(nameof(Pairs))]
    public void An_intersection_a_union_and_a_difference_are_those_of_the_members(int[] one, int[] other)
    {
        foreach (var (x, y) in new[] { (one, other), (other, one) })
        {
            SlotSet[] sets = [SlotSet.Of(x), SlotSet.Of(y)];
            var both = SlotSet.Intersect(sets);
            Assert.Equal(x.Intersect(y).Order(), both.StartingAt(0).ToArray());
            Assert.Equal(x.Intersect(y).Count(), both.Count);
            Assert.Equal(x.Union(y).Order(), SlotSet.Union(sets).StartingAt(0).ToArray());
            var rest = sets[0].Except([sets[1], SlotSet.Of([7])]);
            Assert.Equal(x.Except(y).Except([7]).Order(), rest.StartingAt(0).ToArray());
            Assert.Equal(rest.StartingAt(0).Length, rest.Count);
            Assert.Equal(x, sets[0].StartingAt(0).ToArray());
        }
    }

    [Fact]
    public void A_bitmap_that_has_lost_members_intersects_with_a_longer_list()
    {
        var bitmap = SlotSet.Of(Enumerable.Range(0, 1000));
        for (int i = 0; i < 1000; i++)
            if (i % 100 != 0)
                bitmap.Remove(i);
        var list = SlotSet.Of(Enumerable.Range(0, 200).Select(i => i * 50));
        Assert.False(bitmap.IsSmall);
        Assert.True(list.IsSmall);
        Assert.Equal([0, 100, 200, 300, 400, 500, 600, 700, 800, 900], SlotSet.Intersect([list, bitmap]).StartingAt(0).ToArray());
    }
}
