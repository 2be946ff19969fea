namespace Kotonoha.Tokenizers.Tests;

/// <summary>Holds the incremental trainer against one that counts everything anew at each step.</summary>
public sealed class BpeTrainerTests
{
    [Theory]
    [InlineData(1, 1, null)]
    [InlineData(2, 2, null)]
    [InlineData(3, 1, 4)]
    [InlineData(4, 3, 6)]
    public void Training_joins_what_a_full_recount_would_join(int seed, int minFrequency, int? maxTokenLength)
    {
        var random = new Random(seed);
        for (int round = 0; round < 60; round++)
        {
            var words = new Dictionary<string, long>(StringComparer.Ordinal);
            for (int i = 0; i < 12; i++)
                words[string.Concat(Enumerable.Range(0, random.Next(1, 14)).Select(_ => "aab猫"[random.Next(4)]))] = random.Next(1, 6);
            var options =
                new BpeTrainingOptions
                {
                    VocabularySize = 40,
                    MinFrequency = minFrequency,
                    SpecialTokens = ["<s>", "aa", "bab"],
                    MaxTokenLength = maxTokenLength
                };
            var (vocabulary, merges) = BpeTrainer.Train(words, options, CancellationToken.None);
            var (tokens, expected) = Recount(words, options);
            Assert.Equal(expected, merges);
            Assert.Equal(tokens, Enumerable.Range(0, vocabulary.IdLimit).Select(id => vocabulary.TokenOf(id)!));
        }
    }

    [Fact]
    public void The_alphabet_keeps_the_most_frequent_characters_and_the_initial_ones()
    {
        var words = new Dictionary<string, long>(StringComparer.Ordinal) { ["aabz"] = 3, ["cca"] = 2, ["q"] = 1 };
        var options = new BpeTrainingOptions { VocabularySize = 1, SpecialTokens = ["<s>"], LimitAlphabet = 3, InitialAlphabet = "q" };
        var (vocabulary, merges) = BpeTrainer.Train(words, options, CancellationToken.None);
        Assert.Equal(["<s>", "a", "c", "q"], Enumerable.Range(0, vocabulary.IdLimit).Select(id => vocabulary.TokenOf(id)));
        Assert.Empty(merges);
    }

    [Fact]
    public void Training_stops_when_it_is_cancelled()
    {
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        Assert.Throws<OperationCanceledException>(
            () => Tokenizer.TrainByteLevelBpe(["the cat the cat"], 300, cancellationToken: cancelled.Token));
    }

    [Fact]
    public void Training_on_nothing_gives_a_tokenizer_of_single_bytes()
    {
        var tokenizer = Tokenizer.TrainByteLevelBpe([], vocabularySize: 1000, specialTokens: []);
        Assert.Equal(256, tokenizer.VocabularySize);
        Assert.Equal("猫と😀", tokenizer.Decode(tokenizer.Encode("猫と😀")));
        Assert.Equal(10, tokenizer.CountTokens("猫と😀"));
    }

    [Fact]
    public void Special_tokens_must_differ_and_not_be_empty()
    {
        Assert.Throws<ArgumentException>(() => Tokenizer.TrainByteLevelBpe(["x"], 300, specialTokens: ["<a>", "<a>"]));
        Assert.Throws<ArgumentException>(() => Tokenizer.TrainByteLevelBpe(["x"], 300, specialTokens: [""]));
    }

    /// <summary>
    /// The rules as they are written: highest count, then smaller left id, then smaller right id; overlapping counts, joined from the left.
    /// </summary>
    private static (List<string> Tokens, List<(string, string)> Merges) Recount(Dictionary<string, long> words, BpeTrainingOptions options)
    {
        var tokens = options.SpecialTokens.ToList();
        foreach (var character in words.Keys.SelectMany(w => w).Distinct().Order())
            tokens.Add(character.ToString());
        var split = words.Select(w => (Parts: w.Key.Select(c => c.ToString()).ToList(), Count: w.Value)).ToList();
        var merges = new List<(string, string)>();
        while (tokens.Count < options.VocabularySize)
        {
            var best = split
                .SelectMany(w => w.Parts.Zip(w.Parts.Skip(1), (a, b) => (Pair: (a, b), w.Count)))
                .Where(p => options.MaxTokenLength is not { } limit || p.Pair.a.Length + p.Pair.b.Length is var length
                    && (length == 2 || length < limit))
                .GroupBy(p => p.Pair, p => p.Count)
                .Select(g => (Pair: g.Key, Count: g.Sum()))
                .OrderByDescending(p => p.Count).ThenBy(p => tokens.IndexOf(p.Pair.a)).ThenBy(p => tokens.IndexOf(p.Pair.b))
                .FirstOrDefault();
            if (best.Count < Math.Max(1, options.MinFrequency))
                break;
            var (left, right) = best.Pair;
            merges.Add(best.Pair);
            if (!tokens.Contains(left + right))
                tokens.Add(left + right);
            foreach (var (parts, _) in split)
                for (int i = 0; i + 1 < parts.Count; i++)
                    if (parts[i] == left && parts[i + 1] == right)
                    {
                        parts[i] = left + right;
                        parts.RemoveAt(i + 1);
                    }
        }

        return (tokens, merges);
    }
}
