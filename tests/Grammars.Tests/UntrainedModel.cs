using System.Text;

namespace Kotonoha.Grammars.Tests;

/// <summary>How an untrained model chooses among the tokens that it may.</summary>
internal enum Habit
{
    /// <summary>Each token is as likely as any other.</summary>
    Uniform,

    /// <summary>The token with the most bytes.</summary>
    Longest,

    /// <summary>The token after which the most is left to do.</summary>
    Procrastinating,

    /// <summary>Often the tokens with brackets, quotes and backslashes.</summary>
    Punctuating,

    /// <summary>Never an end token while there is another.</summary>
    Endless,

    /// <summary>The token with the lowest id, so that all that can be is the same again.</summary>
    Repeating,
}

/// <summary>Writes texts under a grammar without knowing anything.</summary>
internal static class UntrainedModel
{
    /// <summary>Writes one text and checks on the way that the budget is kept.</summary>
    public static string Write(Grammar grammar, TokenVocabulary vocabulary, int? budget, Habit habit, Random random)
    {
        var matcher = new GrammarMatcher(grammar, vocabulary, budget);
        var mask = new ulong[(vocabulary.Size + 63) / 64];
        var bytes = new List<byte>();
        bool first = true;
        for (int count = 0; ; count++)
        {
            if (!matcher.CanContinue && (matcher.IsComplete || matcher.HasEnded))
                break;
            if (budget is { } limit)
            {
                Assert.True(matcher.ShortestCompletion <= limit - count,
                    $"{matcher.ShortestCompletion} more tokens are needed, but only {limit - count} are left.");
            }

            matcher.Mask(mask);
            int token = Choose(mask, vocabulary, habit, random);
            Assert.True(token >= 0, $"No token may follow '{Encoding.UTF8.GetString([.. bytes])}'.");
            matcher.Accept(token);
            if (matcher.HasEnded)
                break;
            bytes.AddRange(vocabulary.BytesOf(token, first));
            first = false;
        }

        Assert.True(matcher.IsComplete);
        return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString([.. bytes]);
    }

    private static int Choose(ulong[] mask, TokenVocabulary vocabulary, Habit habit, Random random)
    {
        var allowed = new List<int>();
        for (int id = 0; id < vocabulary.Size; id++)
            if ((mask[id >> 6] >> (id & 63) & 1) != 0)
                allowed.Add(id);
        if (allowed.Count == 0)
            return -1;
        if (habit == Habit.Endless && allowed.Exists(id => !vocabulary.EndTokens.Contains(id)))
            allowed.RemoveAll(id => vocabulary.EndTokens.Contains(id));
        switch (habit)
        {
            case Habit.Repeating:
                return allowed[0];
            case Habit.Longest:
                int most = allowed.Max(id => vocabulary.BytesOf(id, false).Length);
                allowed.RemoveAll(id => vocabulary.BytesOf(id, false).Length < most);
                break;
            case Habit.Procrastinating or Habit.Punctuating when random.Next(4) > 0:
                var chosen = allowed.FindAll(id => vocabulary.BytesOf(id, false).IndexOfAny("[{\"\\,:."u8) >= 0);
                if (habit == Habit.Procrastinating)
                    chosen = allowed.FindAll(id => vocabulary.BytesOf(id, false).IndexOfAny("[{"u8) >= 0
                        || vocabulary.BytesOf(id, false).IndexOfAnyExceptInRange((byte)0x80, (byte)0xFF) < 0);
                if (chosen.Count > 0)
                    allowed = chosen;
                break;
        }

        return allowed[random.Next(allowed.Count)];
    }
}
