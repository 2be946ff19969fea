using System.Collections.Frozen;
using System.Text.RegularExpressions;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Beams;
using Kotonoha.LocalModel.Generation.Sampling;

namespace Kotonoha.Cli.Lines;

/// <summary>Puts the names that the fields of a line have in the place of the library's names, which its errors use.</summary>
internal static partial class FieldNames
{
    private const string NoOptionOfTheCommand = $", or raise {nameof(LocalGptOptions)}.{nameof(LocalGptOptions.CacheTokens)}";

    private static readonly FrozenDictionary<string, string> Fields = new Dictionary<string, string>
    {
        ["tokenIds"] = "ids",
        [nameof(GenerationRequest.TokenIds)] = "ids",
        [nameof(GenerationRequest.Prompt)] = "prompt",
        [nameof(GenerationRequest.Turns)] = "messages",
        [nameof(GenerationRequest.Tools)] = "tools",
        [nameof(GenerationRequest.MaxOutputTokens)] = "max_tokens",
        [nameof(GenerationRequest.StopStrings)] = "stop",
        [nameof(GenerationRequest.EndTokenIds)] = "eos_token_id",
        [nameof(GenerationRequest.IncludeLogProbabilities)] = "logprobs",
        [nameof(SamplingOptions.Temperature)] = "temperature",
        [nameof(SamplingOptions.TopK)] = "top_k",
        [nameof(SamplingOptions.TopP)] = "top_p",
        [nameof(SamplingOptions.MinP)] = "min_p",
        [nameof(SamplingOptions.TypicalP)] = "typical_p",
        [nameof(SamplingOptions.EpsilonCutoff)] = "epsilon_cutoff",
        [nameof(SamplingOptions.EtaCutoff)] = "eta_cutoff",
        [nameof(SamplingOptions.TopH)] = "top_h",
        [nameof(SamplingOptions.TopNSigma)] = "top_n_sigma",
        [nameof(SamplingOptions.XtcThreshold)] = "xtc_threshold",
        [nameof(SamplingOptions.XtcProbability)] = "xtc_probability",
        [nameof(SamplingOptions.MirostatTau)] = "mirostat_tau",
        [nameof(SamplingOptions.MirostatEta)] = "mirostat_eta",
        [nameof(SamplingOptions.MinTokensToKeep)] = "min_tokens_to_keep",
        [nameof(SamplingOptions.RepetitionPenalty)] = "repetition_penalty",
        [nameof(SamplingOptions.PresencePenalty)] = "presence_penalty",
        [nameof(SamplingOptions.FrequencyPenalty)] = "frequency_penalty",
        [nameof(SamplingOptions.DryMultiplier)] = "dry_multiplier",
        [nameof(SamplingOptions.DryBase)] = "dry_base",
        [nameof(SamplingOptions.DryAllowedLength)] = "dry_allowed_length",
        [nameof(SamplingOptions.NoRepeatNgramSize)] = "no_repeat_ngram_size",
        [nameof(SamplingOptions.BadWords)] = "bad_words_ids",
        [nameof(SamplingOptions.LogitBias)] = "logit_bias",
        [nameof(SamplingOptions.SequenceBias)] = "sequence_bias",
        [nameof(SamplingOptions.SuppressTokens)] = "suppress_tokens",
        [nameof(SamplingOptions.BeginSuppressTokens)] = "begin_suppress_tokens",
        [nameof(SamplingOptions.ForcedFirstToken)] = "forced_bos_token_id",
        [nameof(SamplingOptions.ForcedLastTokens)] = "forced_eos_token_id",
        [nameof(SamplingOptions.LengthDecay)] = "exponential_decay_length_penalty",
        [nameof(SamplingOptions.MinLength)] = "min_length",
        [nameof(SamplingOptions.MinNewTokens)] = "min_new_tokens",
        [nameof(BeamSearchOptions.BeamCount)] = "num_beams",
        [nameof(BeamSearchOptions.ReturnCount)] = "num_return_sequences",
        [nameof(BeamSearchOptions.LengthPenalty)] = "length_penalty",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>The message with the names of fields; what stands in quotation marks is the user's and stays.</summary>
    public static string In(string message)
        => Word().Replace(
            message.Replace(NoOptionOfTheCommand, "", StringComparison.Ordinal),
            word => Fields.TryGetValue(word.Value, out var field) ? $"'{field}'" : word.Value);

    [GeneratedRegex(@"(?<!['\w])\w+(?!['\w])")]
    private static partial Regex Word();
}
