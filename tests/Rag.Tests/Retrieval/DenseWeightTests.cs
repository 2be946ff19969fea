using Kotonoha.Rag.Retrieval;

namespace Kotonoha.Rag.Tests.Retrieval;

public class DenseWeightTests
{
    [Fact]
    public void Words_that_single_out_a_chunk_decide_and_words_that_stand_everywhere_do_not()
    {
        var dense = List("c", 100, place => 1.0 / (place + 1));
        double steep = Fusion.DenseWeight(dense, List("c", 100, place => place == 0 ? 20 : 1));
        double flat = Fusion.DenseWeight(dense, List("c", 100, place => 20 - 0.1 * place));
        Assert.InRange(steep, 0.01, 0.2);
        Assert.InRange(flat, 0.6, 0.8);
    }

    [Fact]
    public void A_dense_ranking_that_stands_out_counts_more_than_one_that_does_not()
    {
        var sparse = List("c", 100, place => 20 - 0.1 * place);
        double standing = Fusion.DenseWeight(List("c", 100, place => place == 0 ? 0.9 : 0.2 + 0.0001 * place), sparse);
        double even = Fusion.DenseWeight(List("c", 100, place => 0.5 - 0.001 * place), sparse);
        Assert.True(standing > even);
        Assert.True(even > 0);
        Assert.Equal(even, Fusion.DenseWeight(List("c", 100, _ => 0.5), sparse), 12);
    }

    [Fact]
    public void A_dense_ranking_hardly_counts_that_does_not_know_what_words_single_out()
    {
        RankedItem[] known = List("c", 100, place => 1.0 / (place + 1)), strange = List("d", 100, place => 1.0 / (place + 1));
        var telling = List("c", 100, place => 20 / (1 + 0.04 * place));
        Assert.True(Fusion.DenseWeight(strange, telling) < Fusion.DenseWeight(known, telling) / 4);
        // Words that stand everywhere find anything: there, the dense ranking may well be the one that is right.
        var flat = List("c", 100, place => 20 - 0.1 * place);
        Assert.Equal(Fusion.DenseWeight(known, flat), Fusion.DenseWeight(strange, flat), 12);
    }

    [Fact]
    public void Few_hits_say_too_little_and_none_leave_it_to_the_other_ranking()
    {
        var dense = List("c", 100, place => 1.0 / (place + 1));
        Assert.Equal(0.5, Fusion.DenseWeight(dense, List("c", 99, place => 20 - place * 0.1)));
        Assert.Equal(0.5, Fusion.DenseWeight(List("c", 40, place => 1.0 / (place + 1)), List("c", 100, place => 20 - place * 0.1)));
        Assert.Equal(1, Fusion.DenseWeight(dense, []));
        Assert.Equal(0, Fusion.DenseWeight([], dense));
    }

    private static RankedItem[] List(string name, int count, Func<int, double> score)
        => [.. Enumerable.Range(0, count).Select(place => new RankedItem($"{name}{place}", score(place)))
            .OrderByDescending(item => item.Score)];
}
