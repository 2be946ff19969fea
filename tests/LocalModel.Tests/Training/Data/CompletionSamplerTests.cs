using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Training.Data;

namespace Kotonoha.LocalModel.Tests.Training.Data;

public sealed class CompletionSamplerTests
{
    private static readonly SampledPrompt[] Prompts = [.. ((string[])["the quick ", "the lazy ", "a brown ", "over the ", "dog "])
        .Select((text, i) => new SampledPrompt(GenerationRequest.FromPrompt(text), $"{i}"))];

    [Fact]
    public async Task The_answers_depend_on_seed_and_prompt_alone_and_not_on_how_many_are_written_at_once()
    {
        var options = new CompletionSamplerOptions { Samples = 3, MaxTokens = 5, Seed = 7 };
        string[] alone = await AnswersAsync(options with { Together = 1 }), together = await AnswersAsync(options);
        Assert.Equal(alone, together);
        Assert.NotEqual(together, await AnswersAsync(options with { Seed = 8 }));

        // A run that goes on with the fourth prompt.
        Assert.Equal(together[^2..], await AnswersAsync(options, first: 3));
    }

    [Fact]
    public async Task Only_what_ended_and_was_accepted_is_kept_and_no_answer_twice()
    {
        using var gpt = LocalGpt.Create(TinyGpt.Model(), TinyGpt.Tokenizer);
        int asked = 0;
        var options = new CompletionSamplerOptions
        {
            Samples = 60,
            MaxTokens = 3,
            Temperature = 3,
            Accepts = (prompt, text) =>
            {
                Interlocked.Increment(ref asked);
                return text.Length % 2 == 1 && prompt.Reference == "0";
            },
        };
        var all = new List<SampledCompletions>();
        await foreach (var sampled in new CompletionSampler(gpt, options).SampleAsync(Prompts[..2]))
            all.Add(sampled);
        Assert.Equal(Prompts[..2], all.Select(a => a.Prompt));
        Assert.Equal(120, all.Sum(a => a.Sampled));
        Assert.Equal(asked, all.Sum(a => a.Ended));
        Assert.All(all[0].Kept, text => Assert.Equal(1, text.Length % 2));
        Assert.Equal(all[0].Kept.Count, all[0].Kept.Distinct().Count());
        Assert.True(all[0].Kept.Count <= all[0].Accepted);
        Assert.Empty(all[1].Kept);
        await foreach (var sampled in new CompletionSampler(gpt, options with { Keep = 1 }).SampleAsync(Prompts[..1]))
            Assert.Equal(all[0].Kept.Take(1), sampled.Kept);
    }

    [Fact]
    public async Task A_prompt_that_is_too_long_ends_it_and_leaves_nothing_running()
    {
        using var gpt = LocalGpt.Create(TinyGpt.Model(), TinyGpt.Tokenizer);
        SampledPrompt[] prompts = [.. Prompts, new(GenerationRequest.FromPrompt(string.Join(' ', Enumerable.Repeat("dog", 2000))))];
        await Assert.ThrowsAsync<ContextOverflowException>(async () =>
        {
            await foreach (var _ in new CompletionSampler(gpt, new CompletionSamplerOptions { MaxTokens = 4 }).SampleAsync(prompts))
            {
            }
        });
        Assert.Equal(0, gpt.WaitingRequests);
    }

    [Fact]
    public void Settings_that_are_impossible_are_refused()
    {
        using var gpt = LocalGpt.Create(TinyGpt.Model(), TinyGpt.Tokenizer);
        foreach (var wrong in (CompletionSamplerOptions[])[new() { Samples = 0 }, new() { Temperature = -1 }, new() { TopP = 0 },
            new() { MaxTokens = 0 }, new() { Keep = 0 }, new() { Together = 0 }, new() { Temperature = 0, Samples = 2 }])
            Assert.Throws<ArgumentOutOfRangeException>(() => new CompletionSampler(gpt, wrong));
    }

    // A line for each prompt; the model's answers end with one of some frequent letters.
    private static async Task<string[]> AnswersAsync(CompletionSamplerOptions options, int first = 0)
    {
        using var gpt = LocalGpt.Create(TinyGpt.Model(), TinyGpt.Tokenizer, new LocalGptOptions { DefaultMaxOutputTokens = 5 });
        var texts = new List<string>();
        var prompts = Prompts.Skip(first).Select(p => p with { Request = p.Request with { StopStrings = ["e", "o", " "] } });
        await foreach (var sampled in new CompletionSampler(gpt, options).SampleAsync(prompts, first))
            texts.Add(string.Join('|', sampled.Kept) + $" {sampled.Ended} {sampled.Tokens}");
        return [.. texts];
    }
}
