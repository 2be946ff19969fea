using System.Runtime.CompilerServices;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training.Recipes;

namespace Kotonoha.LocalModel.Training.Data;

/// <summary>What is asked, and what a right answer results in.</summary>
/// <param name="Request">The prompt or the conversation; its sampling is the sampler's.</param>
/// <param name="Reference">What answers are checked against, such as the right result; may be empty.</param>
public sealed record SampledPrompt(GenerationRequest Request, string Reference = "");

/// <summary>How answers are sampled, and which are kept.</summary>
public sealed record CompletionSamplerOptions
{
    /// <summary>The answers of each prompt.</summary>
    public int Samples { get; init; } = 4;

    /// <summary>What logits are divided by; 0 takes the likeliest token each time, for which one sample is enough.</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>The mass of the likeliest tokens that is drawn from; 1 for all.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>The most tokens of an answer, the end token included. An answer that is longer is not kept.</summary>
    public int MaxTokens { get; init; } = 256;

    /// <summary>The most answers of a prompt that are kept, those first that were sampled first; null for all.</summary>
    public int? Keep { get; init; }

    /// <summary>Which answers are right; null keeps all, which is sequence distillation where the model is a larger one.</summary>
    public Func<SampledPrompt, string, bool>? Accepts { get; init; }

    /// <summary>What the draws come from: the same seed, prompts and weights give the same answers.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>How many answers are written at once. The answers do not depend on it.</summary>
    public int Together { get; init; } = LocalGptOptions.DefaultQueueLength;

    /// <summary>Accepts answers whose final result is the reference (<see cref="VerifiableReward.FinalResult"/>).</summary>
    public static Func<SampledPrompt, string, bool> FinalResult { get; }
        = (prompt, completion) => VerifiableReward.FinalResult(completion, prompt.Reference) > 0;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Samples, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxTokens, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Together, 1);
        if (Keep is { } keep)
            ArgumentOutOfRangeException.ThrowIfLessThan(keep, 1, nameof(Keep));
        if (!(Temperature is >= 0 and < float.MaxValue))
            throw new ArgumentOutOfRangeException(nameof(Temperature), Temperature, "Temperature must be at least 0 and finite.");
        if (!(TopP is > 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(TopP), TopP, "TopP must be above 0 and at most 1.");
        if (Temperature == 0 && Samples > 1)
            throw new ArgumentOutOfRangeException(nameof(Samples), Samples, "Without temperature all answers are the same; take one.");
    }
}

/// <summary>The answers to a prompt.</summary>
/// <param name="Prompt">The prompt.</param>
/// <param name="Kept">The answers that are kept, no two alike, without what ends them.</param>
/// <param name="Sampled">How many were sampled.</param>
/// <param name="Ended">How many of them came to an end by themselves.</param>
/// <param name="Accepted">How many of those were accepted, repeated ones included.</param>
/// <param name="Tokens">The tokens that were written.</param>
public sealed record SampledCompletions(
    SampledPrompt Prompt, IReadOnlyList<string> Kept, int Sampled, int Ended, int Accepted, long Tokens);

/// <summary>
/// Lets a model write answers that another one, or itself, learns from: with a check it is rejection sampling (STaR, arXiv:2203.14465; RFT,
/// arXiv:2308.01825), without one and with a larger model sequence-level distillation (arXiv:1606.07947). Answers are written together by
/// the model's engine, which computes a prompt once for all of its answers.
/// </summary>
public sealed class CompletionSampler
{
    private const ulong Purpose = 0x53414D504C455253;
    private readonly LocalGpt _model;
    private readonly CompletionSamplerOptions _options;

    /// <summary>Creates a sampler.</summary>
    /// <param name="model">What writes; it stays the caller's, and its queue takes what is written at once.</param>
    /// <param name="options">How.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    public CompletionSampler(LocalGpt model, CompletionSamplerOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        (_model, _options) = (model, options);
    }

    /// <summary>Samples, in the order of the prompts.</summary>
    /// <param name="prompts">The prompts; they are read as they are needed.</param>
    /// <param name="first">The number of the first one: a run that goes on in the midst of its prompts gives the same answers.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="ContextOverflowException">A prompt does not fit into the model's context.</exception>
    public async IAsyncEnumerable<SampledCompletions> SampleAsync(
        IEnumerable<SampledPrompt> prompts, long first = 0, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        // So many prompts that those behind a slow one keep the engine busy.
        int prompted = 2 * Math.Max(1, _options.Together / _options.Samples);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var slots = new SemaphoreSlim(_options.Together);
        var running = new Queue<Task<SampledCompletions>>();
        try
        {
            foreach (var prompt in prompts)
            {
                running.Enqueue(AnswerAsync(prompt, first++, slots, stop.Token));
                if (running.Count >= prompted)
                    yield return await running.Dequeue().ConfigureAwait(false);
            }

            while (running.Count > 0)
                yield return await running.Dequeue().ConfigureAwait(false);
        }
        finally
        {
            // Nothing is left running behind the caller's back.
            await stop.CancelAsync().ConfigureAwait(false);
            foreach (var task in running)
                await ((Task)task).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<SampledCompletions> AnswerAsync(
        SampledPrompt prompt, long number, SemaphoreSlim slots, CancellationToken cancellationToken)
    {
        var results = await Task.WhenAll(Enumerable.Range(0, _options.Samples).Select(async sample =>
        {
            await slots.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                return await _model.CompleteAsync(prompt.Request with
                {
                    MaxOutputTokens = _options.MaxTokens,
                    Sampling = new SamplingOptions
                    {
                        Temperature = (float)_options.Temperature,
                        TopP = (float)_options.TopP,
                        Seed = (long)(CounterRandom.Key(_options.Seed ^ Purpose, (ulong)number, (ulong)sample) >> 1),
                    },
                }, cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                slots.Release();
            }
        })).ConfigureAwait(false);
        string[] ended = [.. results.Where(r => r.FinishReason != FinishReason.Length).Select(r => r.Text)];
        string[] accepted = _options.Accepts is { } accepts ? [.. ended.Where(text => accepts(prompt, text))] : ended;
        string[] kept = [.. accepted.Where(text => !string.IsNullOrWhiteSpace(text)).DistinctBy(text => text.Trim())
            .Take(_options.Keep ?? int.MaxValue)];
        long tokens = results.Sum(r => (long)r.TokenIds.Count);
        return new SampledCompletions(prompt, kept, results.Length, ended.Length, accepted.Length, tokens);
    }
}
