using System.Diagnostics;
using System.Globalization;
using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;

namespace Kotonoha.Benchmarks;

/// <summary>
/// What prompts cost that begin as others did: a chat of 20 turns, and 16 concurrent samples over a prompt of 512 tokens, with and without
/// <see cref="LocalGptOptions.PrefixReuse"/>, by turns in the same minute; medians. Answers must be equal on both sides.
/// </summary>
internal static class PrefixBenchmark
{
    private const int Samples = 16;
    private const int PromptTokens = 512;
    private const int NewTokens = 64;
    private const int LongContext = 2048;

    private static readonly string[] Questions =
    [
        "What is a lighthouse for?", "Who looked after the lamp before there was electricity?",
        "How did they know when to light it?", "What did they burn in it?", "Why are some of them striped?",
        "How far can the light be seen?", "Does the height matter for that?", "What happens in fog?",
        "Is there one in every harbour?", "Which of them is the oldest?", "What does a lens do there?",
        "Could you say that in one sentence?", "Who invented that lens?", "Do ships still need them?",
        "What do ships use instead?", "Can one live in a lighthouse today?", "What would that cost?",
        "What would one see from the top?", "And in winter?", "Thank you. What did we talk about?",
    ];

    public static async Task<int> RunAsync(string[] arguments)
    {
        if (arguments.Length == 0 || arguments[0].StartsWith("--", StringComparison.Ordinal))
        {
            Console.Error.WriteLine("usage: benchmarks prefix MODEL [--rounds N] [--threads N]   (gpt2-124m:TYPE: random weights)");
            return 2;
        }

        var options = Arguments.Parse(arguments[1..], "rounds", "threads");
        int rounds = options.TryGetValue("rounds", out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : 3;
        int threads = options.TryGetValue("threads", out text) ? int.Parse(text, CultureInfo.InvariantCulture) : Environment.ProcessorCount;
        Console.WriteLine(Machine.Describe());
        var made = DecodeBenchmark.RandomGpt2(arguments[0]);
        try
        {
            var settings = new LocalGptOptions { Threads = threads, CacheTokens = Samples * (PromptTokens + 2 * NewTokens) };
            await using var reusing = LocalGpt.Load(made ?? arguments[0], settings);
            await using var anew = LocalGpt.Load(made ?? arguments[0], settings with { PrefixReuse = false });
            Console.WriteLine($"{arguments[0]}: {reusing.Description}");
            await reusing.WarmUpAsync();
            await anew.WarmUpAsync();
            await MeasureChatAsync(reusing, anew, rounds);
            await MeasureSamplesAsync(reusing, anew, rounds);
        }
        finally
        {
            if (made is not null)
                File.Delete(made);
        }

        return 0;
    }

    private static async Task MeasureChatAsync(LocalGpt reusing, LocalGpt anew, int rounds)
    {
        var runs = new List<(Chat Reusing, Chat Anew)>();
        for (int round = 0; round < rounds; round++)
        {
            var with = await ChatAsync(reusing, round);
            var without = await ChatAsync(anew, round);
            if (!with.Ids.SequenceEqual(without.Ids))
                throw new InvalidOperationException("The answers differ; prefix reuse must not change a bit.");
            runs.Add((with, without));
        }

        var (chat, other) = runs[0];
        Print($"chat of {chat.Turns} turns, {chat.Ids.Count} tokens generated:");
        Print($"  prompt tokens: {chat.Computed} computed, {chat.Reused} reused; without reuse {other.Computed} computed");
        Compare("whole chat", r => r.Seconds);
        Compare("reading the prompts", r => r.Prefill);

        void Compare(string what, Func<Chat, double> seconds)
        {
            double with = Median(runs, r => seconds(r.Reusing)), without = Median(runs, r => seconds(r.Anew));
            double ratio = Median(runs, r => seconds(r.Anew) / seconds(r.Reusing));
            Print($"  {what}: {with:0.00} s with reuse, {without:0.00} s without, ratio {ratio:0.0}");
        }
    }

    private static async Task<Chat> ChatAsync(LocalGpt gpt, int round)
    {
        var chat = new Chat();
        var turns = new List<ChatTurn> { new("system", $"Conversation {round}: you answer briefly.") };
        foreach (var question in Questions)
        {
            turns.Add(new ChatTurn("user", question));
            int limit = gpt.ContextLength < LongContext ? NewTokens / 4 : NewTokens;
            var request = GenerationRequest.FromTurns([.. turns]) with { MaxOutputTokens = limit, Sampling = SamplingOptions.Greedy };
            long start = Stopwatch.GetTimestamp();
            GenerationResult answer;
            try
            {
                answer = await gpt.CompleteAsync(request);
            }
            catch (ContextOverflowException) when (chat.Turns > 1)
            {
                break; // a model with a short context has fewer turns, and the report says how many
            }

            chat.Turns++;
            chat.Seconds += Stopwatch.GetElapsedTime(start).TotalSeconds;
            chat.Prefill += answer.Usage.PrefillTime.TotalSeconds;
            chat.Reused += answer.Usage.CachedInputTokens;
            chat.Computed += answer.Usage.InputTokens - answer.Usage.CachedInputTokens;
            chat.Ids.AddRange(answer.TokenIds);
            turns.Add(new ChatTurn("assistant", answer.Text));
        }

        return chat;
    }

    private static async Task MeasureSamplesAsync(LocalGpt reusing, LocalGpt anew, int rounds)
    {
        var runs = new List<(double One, double Reusing, double Anew)>();
        int computed = 0, computedAnew = 0;
        for (int round = 0; round < rounds; round++)
        {
            var (one, _) = await SampleAsync(reusing, Prompt(2 * round), 1);
            var (with, results) = await SampleAsync(reusing, Prompt(2 * round + 1), Samples);
            var (without, others) = await SampleAsync(anew, Prompt(2 * round + 1), Samples);
            if (!results.Zip(others).All(pair => pair.First.TokenIds.SequenceEqual(pair.Second.TokenIds)))
                throw new InvalidOperationException("The samples differ; prefix reuse must not change a bit.");
            computed = results.Sum(r => r.Usage.InputTokens - r.Usage.CachedInputTokens);
            computedAnew = others.Sum(r => r.Usage.InputTokens);
            runs.Add((one, with, without));
        }

        Print($"{Samples} concurrent samples of {NewTokens} tokens over {PromptTokens}:");
        Print($"  prompt tokens: {computed} computed, {computedAnew - computed} reused; without reuse {computedAnew} computed");
        Print($"  one sample {Median(runs, r => r.One):0.00} s");
        Print($"  all with reuse {Median(runs, r => r.Reusing):0.00} s, {Median(runs, r => r.Reusing / r.One):0.0} times one");
        Print($"  all without {Median(runs, r => r.Anew):0.00} s, {Median(runs, r => r.Anew / r.One):0.0} times one");

        int[] Prompt(int seed)
        {
            var random = new Random(seed);
            return [.. Enumerable.Range(0, PromptTokens).Select(_ => random.Next(reusing.VocabularySize))];
        }
    }

    private static async Task<(double Seconds, GenerationResult[] Results)> SampleAsync(LocalGpt gpt, int[] prompt, int count)
    {
        long start = Stopwatch.GetTimestamp();
        var results = await Task.WhenAll(Enumerable.Range(0, count).Select(i => gpt.CompleteAsync(new GenerationRequest
        {
            TokenIds = prompt,
            MaxOutputTokens = NewTokens,
            IgnoreEndTokens = true,
            Sampling = new SamplingOptions { Temperature = 0.8f, TopK = 40, Seed = i },
        })));
        return (Stopwatch.GetElapsedTime(start).TotalSeconds, results);
    }

    private static void Print(FormattableString line) => Console.WriteLine(FormattableString.Invariant(line));

    private static double Median<T>(List<T> runs, Func<T, double> value) => runs.Select(value).Order().ElementAt(runs.Count / 2);

    private sealed class Chat
    {
        public List<int> Ids { get; } = [];

        public int Turns { get; set; }

        public int Computed { get; set; }

        public int Reused { get; set; }

        public double Seconds { get; set; }

        public double Prefill { get; set; }
    }
}
