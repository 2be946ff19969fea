using System.Globalization;
using System.Text.Json;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;

namespace Kotonoha.Cli.Lines;

/// <summary>The settings of a generation, under the names of Hugging Face's <c>generate</c> and of OpenAI's API.</summary>
/// <param name="start">The settings that hold where the line says nothing.</param>
/// <param name="maxTokens">The most new tokens where the line says nothing.</param>
internal sealed class LineSampling(SamplingOptions start, int maxTokens)
{
    /// <summary>The most new tokens where neither the line nor the command line says anything: an answer that does not end must not hold back the lines after it.</summary>
    public const int DefaultMaxTokens = 256;

    // Many lines of so many still fit into the engine's queue.
    private const int MaxSequences = 128;

    private static readonly string[] MaxTokensFields = ["max_tokens", "max_new_tokens", "max_completion_tokens"];

    private SamplingOptions sampling = start;
    private BeamSearchOptions beams = new() { BeamCount = 1 };
    private int samples = 1;
    private bool drawing;

    /// <summary>The request without its prompt.</summary>
    public GenerationRequest Request { get; private set; } = new();

    /// <summary>The beam search, when there is more than one beam.</summary>
    public BeamSearchOptions? Beams => beams.BeamCount > 1 ? beams : null;

    /// <summary>Takes all settings of a line.</summary>
    public void Read(LineRequest line)
    {
        var limits = MaxTokensFields.Select(name => (Name: name, Value: line.Integer(name))).Where(limit => limit.Value is not null).ToList();
        if (limits.Count > 1)
            throw new LineException("'max_tokens', 'max_new_tokens' and 'max_completion_tokens' mean the same; give one of them");
        if (limits is [{ Value: < 1 } small])
            throw new LineException($"'{small.Name}' must be at least 1");
        Draws(line);
        Penalties(line);
        Bans(line);
        if (line.Boolean("do_sample") is { } draw)
        {
            if (!draw && drawing && !sampling.IsGreedy)
                throw new LineException("'do_sample' is false, but a setting of the draw is given too");
            sampling = sampling with { Temperature = !draw ? 0 : sampling.IsGreedy && !drawing ? 1 : sampling.Temperature };
        }

        Search(line);
        Request = new GenerationRequest
        {
            MaxOutputTokens = limits is [var limit] ? limit.Value : maxTokens,
            Sampling = sampling,
            StopStrings = line.Texts("stop") ?? [],
            IgnoreEndTokens = line.Boolean("ignore_eos") ?? false,
            EndTokenIds = line.Take("eos_token_id") is { } ends ? OneOrMore("eos_token_id", ends) : null,
            IncludeLogProbabilities = line.Boolean("logprobs") ?? false,
        };
        if (Request.StopStrings.Any(s => s.Length == 0))
            throw new LineException("'stop' holds an empty text");
    }

    /// <summary>The requests of one line: as many as there are sequences to draw, each with a seed of its own.</summary>
    public IEnumerable<GenerationRequest> Samples(GenerationRequest request)
    {
        if (samples == 1)
            return [request];
        long first = sampling.Seed ?? Random.Shared.NextInt64();
        return Enumerable.Range(0, samples).Select(i => request with { Sampling = sampling with { Seed = unchecked(first + i) } });
    }

    private void Draws(LineRequest line)
    {
        if (line.Number("temperature") is { } temperature)
            Draw(sampling with { Temperature = temperature }, setsTemperature: true);
        if (line.Integer("top_k") is { } topK)
            Draw(sampling with { TopK = topK });
        if (line.Number("top_p") is { } topP)
            Draw(sampling with { TopP = topP });
        if (line.Number("min_p") is { } minP)
            Draw(sampling with { MinP = minP });
        if (line.Number("typical_p") is { } typicalP)
            Draw(sampling with { TypicalP = typicalP });
        if (line.Number("epsilon_cutoff") is { } epsilon)
            Draw(sampling with { EpsilonCutoff = epsilon });
        if (line.Number("eta_cutoff") is { } eta)
            Draw(sampling with { EtaCutoff = eta });
        if (line.Number("top_h") is { } topH)
            Draw(sampling with { TopH = topH });
        if (line.Number("top_n_sigma") is { } sigma)
            Draw(sampling with { TopNSigma = sigma });
        if (line.Number("xtc_threshold") is { } threshold)
            Draw(sampling with { XtcThreshold = threshold });
        if (line.Number("xtc_probability") is { } probability)
            Draw(sampling with { XtcProbability = probability });
        if (line.Number("mirostat_tau") is { } tau)
            Draw(sampling with { MirostatTau = tau });
        if (line.Number("mirostat_eta") is { } rate)
            Draw(sampling with { MirostatEta = rate });
        if (line.Long("seed") is { } seed)
            sampling = sampling with { Seed = seed };
        if (line.Integer("min_tokens_to_keep") is { } keep)
            sampling = sampling with { MinTokensToKeep = keep };
    }

    private void Penalties(LineRequest line)
    {
        if (line.Number("repetition_penalty") is { } repetition)
            sampling = sampling with { RepetitionPenalty = repetition };
        if (line.Number("presence_penalty") is { } presence)
            sampling = sampling with { PresencePenalty = presence };
        if (line.Number("frequency_penalty") is { } frequency)
            sampling = sampling with { FrequencyPenalty = frequency };
        if (line.Number("dry_multiplier") is { } multiplier)
            sampling = sampling with { DryMultiplier = multiplier };
        if (line.Number("dry_base") is { } @base)
            sampling = sampling with { DryBase = @base };
        if (line.Integer("dry_allowed_length") is { } allowed)
            sampling = sampling with { DryAllowedLength = allowed };
        if (line.Integers("dry_sequence_breakers") is { } breakers)
            sampling = sampling with { DrySequenceBreakers = breakers };
        if (line.Take("exponential_decay_length_penalty") is { } decay)
            sampling = decay.ValueKind == JsonValueKind.Array && decay.GetArrayLength() == 2
                ? sampling with { LengthDecay = new LengthDecay(LineRequest.IntegerOf("exponential_decay_length_penalty", decay[0]), LineRequest.NumberOf("exponential_decay_length_penalty", decay[1])) }
                : throw LineRequest.Wrong("exponential_decay_length_penalty", "[start, factor]");
        if (line.Boolean("renormalize_logits") is { } renormalize)
            sampling = sampling with { RenormalizeLogits = renormalize };
    }

    private void Bans(LineRequest line)
    {
        if (line.Integer("no_repeat_ngram_size") is { } size)
            sampling = sampling with { NoRepeatNgramSize = size };
        if (line.Integer("min_new_tokens") is { } leastNew)
            sampling = sampling with { MinNewTokens = leastNew };
        if (line.Integer("min_length") is { } least)
            sampling = sampling with { MinLength = least };
        if (line.Integers("suppress_tokens") is { } suppressed)
            sampling = sampling with { SuppressTokens = suppressed };
        if (line.Integers("begin_suppress_tokens") is { } begin)
            sampling = sampling with { BeginSuppressTokens = begin };
        if (line.Integer("forced_bos_token_id") is { } first)
            sampling = sampling with { ForcedFirstToken = first };
        if (line.Take("forced_eos_token_id") is { } last)
            sampling = sampling with { ForcedLastTokens = OneOrMore("forced_eos_token_id", last) };
        if (line.Take("bad_words_ids") is { } words)
            sampling = sampling with { BadWords = [.. List("bad_words_ids", words).Select(w => LineRequest.IntegersOf("bad_words_ids", w))] };
        if (line.Take("sequence_bias") is { } biases)
            sampling = sampling with { SequenceBias = [.. List("sequence_bias", biases).Select(Bias)] };
        if (line.Take("logit_bias") is { } logitBias)
            sampling = sampling with { LogitBias = LogitBias(logitBias) };
    }

    private void Search(LineRequest line)
    {
        int returned = line.Integer("num_return_sequences") ?? 1;
        if (returned is < 1 or > MaxSequences)
            throw new LineException($"'num_return_sequences' must be from 1 to {MaxSequences}");
        beams = beams with { BeamCount = line.Integer("num_beams") ?? 1 };
        if (beams.BeamCount < 1)
            throw new LineException("'num_beams' must be at least 1");
        float? lengthPenalty = line.Number("length_penalty");
        EarlyStopping? early = line.Take("early_stopping") is not { } stopping ? null : stopping.ValueKind switch
        {
            JsonValueKind.True => EarlyStopping.Always,
            JsonValueKind.False => EarlyStopping.WhenUnlikely,
            JsonValueKind.String when stopping.ValueEquals("never") => EarlyStopping.Never,
            _ => throw LineRequest.Wrong("early_stopping", "true, false or \"never\""),
        };
        if (beams.BeamCount > 1)
        {
            if (returned > beams.BeamCount)
                throw new LineException("'num_return_sequences' must be at most 'num_beams'");

            // A model's own settings of the draw give way to the beams; those of the line do not.
            if (!drawing)
                sampling = sampling with { Temperature = 0 };
            beams = beams with { ReturnCount = returned, LengthPenalty = lengthPenalty ?? beams.LengthPenalty, EarlyStopping = early ?? beams.EarlyStopping };
            return;
        }

        if (lengthPenalty is not null || early is not null)
            throw new LineException("'length_penalty' and 'early_stopping' belong to beam search; set 'num_beams' above 1");
        if (returned > 1 && sampling.IsGreedy)
            throw new LineException("'num_return_sequences' above 1 needs a draw ('temperature' above 0) or beams ('num_beams')");
        samples = returned;
    }

    // A setting of the draw: a greedy default gives way to temperature 1, unless the line itself says 0.
    private void Draw(SamplingOptions changed, bool setsTemperature = false)
    {
        sampling = !drawing && !setsTemperature && sampling.IsGreedy ? changed with { Temperature = 1 } : changed;
        drawing = true;
    }

    private static int[] OneOrMore(string name, JsonElement value) => value.ValueKind == JsonValueKind.Number ? [LineRequest.IntegerOf(name, value)] : LineRequest.IntegersOf(name, value);

    private static IEnumerable<JsonElement> List(string name, JsonElement value) => value.ValueKind == JsonValueKind.Array ? value.EnumerateArray() : throw LineRequest.Wrong(name, "a list");

    private static TokenSequenceBias Bias(JsonElement pair)
        => pair.ValueKind == JsonValueKind.Array && pair.GetArrayLength() == 2
            ? new TokenSequenceBias(LineRequest.IntegersOf("sequence_bias", pair[0]), LineRequest.NumberOf("sequence_bias", pair[1]))
            : throw LineRequest.Wrong("sequence_bias", "a list of [[ids], bias]");

    private static Dictionary<int, float> LogitBias(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object)
            throw LineRequest.Wrong("logit_bias", "an object of token ids and biases");
        var biases = new Dictionary<int, float>();
        foreach (var field in value.EnumerateObject())
            biases[int.TryParse(field.Name, NumberStyles.None, CultureInfo.InvariantCulture, out int id) ? id : throw LineRequest.Wrong("logit_bias", "an object of token ids and biases")]
                = LineRequest.NumberOf("logit_bias", field.Value);
        return biases;
    }
}
