namespace Kotonoha.Tokenizers.Tests;

public sealed class TokenizerCostTests
{
    private static readonly Tokenizer Trained = Tokenizer.TrainByteLevelBpe(
        ["aaaa aaaaaaaa abababab the the the then there abcabcabcabc !!!!!!!! ??!?!?!? 猫猫猫猫 猫猫\n"], vocabularySize: 300, minFrequency: 1);

    [Theory]
    [InlineData("a")]
    [InlineData("ab")]
    [InlineData("abc")]
    [InlineData("the")]
    [InlineData("!")]
    [InlineData("?!")]
    [InlineData("猫")]
    [InlineData("x")]
    [InlineData("abacabad")]
    public void A_long_word_costs_no_more_than_n_log_n_steps(string unit)
    {
        var model = (BpeModel)Trained.Model;
        long Steps(int length)
        {
            var buffer = new PieceBuffer();
            buffer.Load(string.Concat(Enumerable.Repeat(unit, length / unit.Length + 1)).AsSpan(0, length), 0, trackOffsets: false);
            buffer.SpellBytes();
            return model.CountSteps(buffer.Piece(0));
        }

        // Ten times the length may cost at most 10 log(100000)/log(10000) = 12.5 times the steps; a square law would cost 100 times.
        Assert.True(Steps(100_000) <= 13 * Steps(10_000), $"{Steps(10_000)} steps for 10,000 characters, {Steps(100_000)} for 100,000");
    }

    [Fact]
    public void The_heap_for_long_words_merges_as_the_plain_search_does()
    {
        var random = new Random(5);
        var model = (BpeModel)Trained.Model;
        for (int round = 0; round < 300; round++)
        {
            var word = string.Concat(Enumerable.Range(0, random.Next(25, 120)).Select(_ => "abctheXX!?"[random.Next(10)]));
            var sink = new TokenSink();
            sink.Clear(trackOffsets: false);
            model.Tokenize(word, sink);
            Assert.Equal(PlainMerge(model, word), sink.Ids.ToArray().Select(id => model.Vocabulary.TokenOf(id)!));
        }
    }

    [Fact]
    [Trait("Category", "Allocation")]
    public void Encoding_warm_texts_allocates_nothing()
    {
        var ids = new List<int>(10_000);
        const string Text = "the aaaa ababab then 猫猫 there !!!! <|endoftext|>";

        // Code that the runtime has not optimised yet boxes inside the base library; what counts is where it settles.
        long allocated = long.MaxValue;
        for (int round = 0; round < 5_000 && allocated != 0; round++)
        {
            ids.Clear();
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 50; i++)
                Trained.Encode(Text, ids);
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Assert.Equal(0, allocated);
    }

    [Fact]
    public void Many_threads_share_one_tokenizer()
    {
        // A cold tokenizer, so that the threads fill its cache against each other.
        var shared = Tokenizer.Parse(Saved());
        var random = new Random(9);
        var texts = Enumerable.Range(0, 400).Select(_ => string.Concat(Enumerable.Range(0, 60).Select(_ => "ab the猫!\n"[random.Next(9)])))
            .ToArray();
        var expected = texts.Select(t => Trained.Encode(t)).ToArray();
        Parallel.For(0, 4 * texts.Length, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
        {
            int text = i % texts.Length;
            Assert.Equal(expected[text], shared.Encode(texts[text]));
            Assert.Equal(texts[text], shared.Decode(expected[text]));
        });
    }

    [Fact]
    public void More_words_than_the_cache_holds_are_still_encoded_alike()
    {
        var cold = Tokenizer.Parse(Saved());
        for (int i = 0; i < 150_000; i++)
            cold.CountTokens($"w{i}");
        for (int i = 0; i < 150_000; i += 1_000)
            Assert.Equal(Trained.Encode($"w{i}"), cold.Encode($"w{i}"));
    }

    private static byte[] Saved()
    {
        var stream = new MemoryStream();
        Trained.Write(stream);
        return stream.ToArray();
    }

    /// <summary>The definition: the pair of the lowest rank, leftmost first, until none is left.</summary>
    private static List<string> PlainMerge(BpeModel model, string word)
    {
        var ranks = model.Merges.Select((m, rank) => (m, rank)).ToDictionary(p => p.m, p => p.rank);
        var parts = word.Select(c => c.ToString()).ToList();
        while (true)
        {
            int best = -1, bestRank = int.MaxValue;
            for (int i = 0; i + 1 < parts.Count; i++)
                if (ranks.TryGetValue((parts[i], parts[i + 1]), out int rank) && rank < bestRank)
                    (best, bestRank) = (i, rank);
            if (best < 0)
                return parts;
            parts[best] += parts[best + 1];
            parts.RemoveAt(best + 1);
        }
    }
}
