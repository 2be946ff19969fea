using System.Text.Json;
using Kotonoha.Foundation.Text;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training.Data;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Training.Recipes;

/// <summary>Two answers to a prompt, of which people prefer one.</summary>
/// <param name="Prompt">The prompt as the model reads it, chat marks included.</param>
/// <param name="Chosen">The answer that is preferred.</param>
/// <param name="Rejected">The other one.</param>
public sealed record PreferencePair(string Prompt, string Chosen, string Rejected);

/// <summary>Pairs of answers as tokens: the prompt, an answer, the token that ends it.</summary>
public sealed class PreferencePairs
{
    private const string AssistantMark = "\n\nAssistant:";
    private readonly PreferenceTokens[] _pairs;

    private PreferencePairs(PreferenceTokens[] pairs) => _pairs = pairs;

    /// <summary>No pair.</summary>
    public static PreferencePairs None { get; } = new([]);

    /// <summary>The pairs.</summary>
    public int Count => _pairs.Length;

    internal PreferenceTokens this[int index] => _pairs[index];

    internal ulong Fingerprint
    {
        get
        {
            var hash = new DataHash();
            foreach (var pair in _pairs)
            {
                hash.Add(pair.Chosen.Ids);
                hash.Add(pair.Rejected.Ids);
                hash.Add([pair.Chosen.PromptTokens]);
            }

            return hash.Value;
        }
    }

    /// <summary>Encodes pairs.</summary>
    /// <param name="tokenizer">The model's tokenizer; special tokens that texts spell out are recognised.</param>
    /// <param name="pairs">The pairs.</param>
    /// <param name="endId">The token that ends an answer; null for none.</param>
    public static PreferencePairs From(Tokenizer tokenizer, IEnumerable<PreferencePair> pairs, int? endId)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(pairs);
        return new PreferencePairs([.. pairs.Select(p =>
            new PreferenceTokens(
                CompletionTokens.Of(tokenizer, p.Prompt, p.Chosen, endId), CompletionTokens.Of(tokenizer, p.Prompt, p.Rejected, endId)))]);
    }

    /// <summary>
    /// Reads JSON lines, or a JSON array, with <c>prompt</c>, <c>chosen</c> and <c>rejected</c>, as TRL has them. Without a prompt (the
    /// transcripts of hh-rlhf) what both sides begin with is the prompt.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <exception cref="TrainingException">A line is no such object; its number is named.</exception>
    public static IReadOnlyList<PreferencePair> ReadFile(string path)
    {
        var pairs = new List<PreferencePair>();
        foreach (var (line, number) in JsonRecords.Read(path))
            try
            {
                using var json = JsonDocument.Parse(line);
                string chosen = Text(json, "chosen") ?? throw Missing("chosen"),
                    rejected = Text(json, "rejected") ?? throw Missing("rejected");
                pairs.Add(Text(json, "prompt") is { } prompt
                    ? new PreferencePair(prompt, chosen, rejected)
                    : OfTranscripts(chosen, rejected));
            }
            catch (Exception exception) when (exception is JsonException or InvalidOperationException or FormatException)
            {
                throw new TrainingException($"{path}, line {number}: a JSON object with the texts prompt, chosen and rejected is expected "
                    + $"({exception.Message})");
            }

        return pairs;

        static string? Text(JsonDocument json, string name) => json.RootElement.TryGetProperty(name, out var value) ? value.GetString()
            : null;

        static InvalidOperationException Missing(string name) => new($"'{name}' is missing");
    }

    /// <summary>
    /// The pair of two transcripts: what both begin with is the prompt, up to the last turn of the assistant that both have, or, where no
    /// turn is marked, to the end of a word; where no spaces stand between words, to a character.
    /// </summary>
    /// <exception cref="FormatException">They have no common beginning, or are the same.</exception>
    internal static PreferencePair OfTranscripts(string chosen, string rejected)
    {
        int common = chosen.AsSpan().CommonPrefixLength(rejected);
        if (common == chosen.Length && common == rejected.Length)
            throw new FormatException("'chosen' and 'rejected' are the same");
        int mark = chosen.LastIndexOf(AssistantMark, Math.Max(0, common - 1), common, StringComparison.Ordinal);
        if (mark >= 0)
            common = mark + AssistantMark.Length;
        else
        {
            common = Math.Min(common, Math.Min(chosen.Length, rejected.Length) - 1);
            while (common > 0 && !(EndsWord(chosen, common) && EndsWord(rejected, common)))
                common--;
        }

        return common > 0 && common < chosen.Length && common < rejected.Length
            ? new PreferencePair(chosen[..common], chosen[common..], rejected[common..])
            : throw new FormatException("'prompt' is missing, and 'chosen' and 'rejected' have no common beginning with an answer each");
    }

    private static bool EndsWord(string text, int end)
        => char.IsWhiteSpace(text[end - 1]) || (CjkText.IsCjk(text[end - 1]) && CjkText.IsCjk(text[end]) && !char.IsLowSurrogate(text[end]))
            || text[end - 1] is '。' or '！' or '？';

    /// <summary>The pairs that are not longer than a number of tokens, and how many others there are.</summary>
    internal (PreferencePairs Fitting, int LeftOut) Within(int tokens)
    {
        PreferenceTokens[] fitting = [.. _pairs.Where(p => p.Chosen.Ids.Length <= tokens && p.Rejected.Ids.Length <= tokens)];
        return (new PreferencePairs(fitting), Count - fitting.Length);
    }

    internal void RequireFitting(CausalModel model)
    {
        if (Count == 0)
            throw new TrainingException("There is no pair to learn from.");
        foreach (var pair in _pairs)
            foreach (var side in (CompletionTokens[])[pair.Chosen, pair.Rejected])
                RequireFitting(model, side);
    }

    internal static void RequireFitting(CausalModel model, CompletionTokens side)
    {
        if (side.Ids.Length > model.ContextLength)
            throw new TrainingException($"A prompt with its answer has {side.Ids.Length} tokens, the model reads "
                + $"{model.ContextLength}. Leave such lines out.");
        if (side.PromptTokens == 0 || side.PromptTokens == side.Ids.Length)
            throw new TrainingException("A line has an empty prompt or an empty answer; both need at least one token.");
    }
}

/// <summary>A prompt with a completion.</summary>
/// <param name="Ids">Both.</param>
/// <param name="PromptTokens">The tokens of the prompt, with which the ids begin.</param>
internal sealed record CompletionTokens(int[] Ids, int PromptTokens)
{
    /// <summary>Encodes both; special tokens that they spell out are recognised.</summary>
    public static CompletionTokens Of(Tokenizer tokenizer, string prompt, string completion, int? endId)
    {
        var ids = new List<int>();
        tokenizer.Encode(prompt, ids, addSpecialTokens: false, parseSpecialTokens: true);
        int before = ids.Count;
        tokenizer.Encode(completion, ids, addSpecialTokens: false, parseSpecialTokens: true);
        if (endId is { } end && (ids.Count == before || ids[^1] != end))
            ids.Add(end);
        return new CompletionTokens([.. ids], before);
    }

    /// <summary>This prompt with the completion of another one, cut to a length.</summary>
    public CompletionTokens After(CompletionTokens other, int length)
    {
        int[] ids = [.. Ids.AsSpan(0, PromptTokens), .. other.Ids.AsSpan(other.PromptTokens)];
        return new CompletionTokens(ids.Length <= length ? ids : ids[..Math.Max(length, PromptTokens + 1)], PromptTokens);
    }

    /// <summary>
    /// Appends it as the model reads it, and for each place the token after it, or −100 where that is the prompt's.
    /// </summary>
    public void AppendTo(Batch batch, List<int> targets)
    {
        batch.Append(Ids.AsSpan(0, Ids.Length - 1));
        for (int i = 1; i < Ids.Length; i++)
            targets.Add(i < PromptTokens ? CrossEntropyOptions.DefaultIgnoreIndex : Ids[i]);
    }
}

/// <summary>Two completions of a prompt.</summary>
internal sealed record PreferenceTokens(CompletionTokens Chosen, CompletionTokens Rejected);
