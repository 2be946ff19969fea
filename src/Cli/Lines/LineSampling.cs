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
    /// <summary>
    /// The most new tokens where neither the line nor the command line says anything: an answer that does not end must not hold back the
    /// lines after it.
    /// </summary>
    public const int DefaultMaxTokens = 256;

    // Many lines of so many still fit into the engine's queue.
    private const int MaxSequences = 128;

    private static readonly string[] MaxTokensFields = ["max_tokens", "max_new_tokens", "max_completion_tokens"];

    private SamplingOptions _sampling = start;
    private BeamSearchOptions _beams = new() { BeamCount = 1 };
    private int _samples = 1;
    private bool _drawing;

    /// <summary>The request without its prompt.</summary>
    public GenerationRequest Request { get; private set; } = new();

    /// <summary>The beam search, when there is more than one beam.</summary>
    public BeamSearchOptions? Beams => _beams.BeamCount > 1 ? _beams : null;

    /// <summary>Takes all settings of a line.</summary>
    public void Read(LineRequest line)
    {
        var limits = MaxTokensFields.Select(name => (Name: name, Value: line.Integer(name))).Where(limit => limit.Value is not null)
            .ToList();
        if (limits.Count > 1)
            throw new LineException("'max_tokens', 'max_new_tokens' and 'max_completion_tokens' mean the same; give one of them");
        if (limits is [{ Value: < 1 } small])
            throw new LineException($"'{small.Name}' must be at least 1");
        Draws(line);
        Penalties(line);
        Bans(line);
        if (line.Boolean("do_sample") is { } draw)
        {
            if (!draw && _drawing && !_sampling.IsGreedy)
                throw new LineException("'do_sample' is false, but a setting of the draw is given too");
            _sampling = _sampling with { Temperature = !draw ? 0 : _sampling.IsGreedy && !_drawing ? 1 : _sampling.Temperature };
        }

        Search(line);
        Request = new GenerationRequest
        {
            MaxOutputTokens = limits is [var limit] ? limit.Value : maxTokens,
            Sampling = _sampling,
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
        if (_samples == 1)
            return [request];
        long first = _sampling.Seed ?? Random.Shared.NextInt64();
        return Enumerable.Range(0, _samples).Select(i => request with { Sampling = _sampling with { Seed = unchecked(first + i) } });
    }

    private void Draws(LineRequest line)
    {
        if (line.Number("temperature") is { } temperature)
            Draw(_sampling with { Temperature = temperature }, setsTemperature: true);
        if (line.Integer("top_k") is { } topK)
            Draw(_sampling with { TopK = topK });
        if (line.Number("top_p") is { } topP)
            Draw(_sampling with { TopP = topP });
        if (line.Number("min_p") is { } minP)
            Draw(_sampling with { MinP = minP });
        if (line.Number("typical_p") is { } typicalP)
            Draw(_sampling with { TypicalP = typicalP });
        if (line.Number("epsilon_cutoff") is { } epsilon)
            Draw(_sampling with { EpsilonCutoff = epsilon });
        if (line.Number("eta_cutoff") is { } eta)
            Draw(_sampling with { EtaCutoff = eta });
        if (line.Number("top_h") is { } topH)
            Draw(_sampling with { TopH = topH });
        if (line.Number("top_n_sigma") is { } sigma)
            Draw(_sampling with { TopNSigma = sigma });
        if (line.Number("xtc_threshold") is { } threshold)
            Draw(_sampling with { XtcThreshold = threshold });
        if (line.Number("xtc_probability") is { } probability)
            Draw(_sampling with { XtcProbability = probability });
        if (line.Number("mirostat_tau") is { } tau)
            Draw(_sampling with { MirostatTau = tau });
        if (line.Number("mirostat_eta") is { } rate)
            Draw(_sampling with { MirostatEta = rate });
        if (line.Long("seed") is { } seed)
            _sampling = _sampling with { Seed = seed };
        if (line.Integer("min_tokens_to_keep") is { } keep)
            _sampling = _sampling with { MinTokensToKeep = keep };
    }

    private void Penalties(LineRequest line)
    {
        if (line.Number("repetition_penalty") is { } repetition)
            _sampling = _sampling with { RepetitionPenalty = repetition };
        if (line.Number("presence_penalty") is { } presence)
            _sampling = _sampling with { PresencePenalty = presence };
        if (line.Number("frequency_penalty") is { } frequency)
            _sampling = _sampling with { FrequencyPenalty = frequency };
        if (line.Number("dry_multiplier") is { } multiplier)
            _sampling = _sampling with { DryMultiplier = multiplier };
        if (line.Number("dry_base") is { } @base)
            _sampling = _sampling with { DryBase = @base };
        if (line.Integer("dry_allowed_length") is { } allowed)
            _sampling = _sampling with { DryAllowedLength = allowed };
        if (line.Integers("dry_sequence_breakers") is { } breakers)
            _sampling = _sampling with { DrySequenceBreakers = breakers };
        if (line.Take("exponential_decay_length_penalty") is { } decay)
            _sampling = decay.ValueKind == JsonValueKind.Array && decay.GetArrayLength() == 2
                ? _sampling with
                {
                    LengthDecay =
                    new LengthDecay(LineRequest.IntegerOf("exponential_decay_length_penalty", decay[0]),
                        LineRequest.NumberOf("exponential_decay_length_penalty", decay[1]))
                }
                : throw LineRequest.Wrong("exponential_decay_length_penalty", "[start, factor]");
        if (line.Boolean("renormalize_logits") is { } renormalize)
            _sampling = _sampling with { RenormalizeLogits = renormalize };
    }

    private void Bans(LineRequest line)
    {
        if (line.Integer("no_repeat_ngram_size") is { } size)
            _sampling = _sampling with { NoRepeatNgramSize = size };
        if (line.Integer("min_new_tokens") is { } leastNew)
            _sampling = _sampling with { MinNewTokens = leastNew };
        if (line.Integer("min_length") is { } least)
            _sampling = _sampling with { MinLength = least };
        if (line.Integers("suppress_tokens") is { } suppressed)
            _sampling = _sampling with { SuppressTokens = suppressed };
        if (line.Integers("begin_suppress_tokens") is { } begin)
            _sampling = _sampling with { BeginSuppressTokens = begin };
        if (line.Integer("forced_bos_token_id") is { } first)
            _sampling = _sampling with { ForcedFirstToken = first };
        if (line.Take("forced_eos_token_id") is { } last)
            _sampling = _sampling with { ForcedLastTokens = OneOrMore("forced_eos_token_id", last) };
        if (line.Take("bad_words_ids") is { } words)
            _sampling =
                _sampling with { BadWords = [.. List("bad_words_ids", words).Select(w => LineRequest.IntegersOf("bad_words_ids", w))] };
        if (line.Take("sequence_bias") is { } biases)
            _sampling = _sampling with { SequenceBias = [.. List("sequence_bias", biases).Select(Bias)] };
        if (line.Take("logit_bias") is { } logitBias)
            _sampling = _sampling with { LogitBias = LogitBias(logitBias) };
    }

    private void Search(LineRequest line)
    {
        int returned = line.Integer("num_return_sequences") ?? 1;
        if (returned is < 1 or > MaxSequences)
            throw new LineException($"'num_return_sequences' must be from 1 to {MaxSequences}");
        _beams = _beams with { BeamCount = line.Integer("num_beams") ?? 1 };
        if (_beams.BeamCount < 1)
            throw new LineException("'num_beams' must be at least 1");
        float? lengthPenalty = line.Number("length_penalty");
        EarlyStopping? early = line.Take("early_stopping") is not { } stopping ? null : stopping.ValueKind switch
        {
            JsonValueKind.True => EarlyStopping.Always,
            JsonValueKind.False => EarlyStopping.WhenUnlikely,
            JsonValueKind.String when stopping.ValueEquals("never") => EarlyStopping.Never,
            _ => throw LineRequest.Wrong("early_stopping", "true, false or \"never\""),
        };
        if (_beams.BeamCount > 1)
        {
            if (returned > _beams.BeamCount)
                throw new LineException("'num_return_sequences' must be at most 'num_beams'");

            // A model's own settings of the draw give way to the beams; those of the line do not.
            if (!_drawing)
                _sampling = _sampling with { Temperature = 0 };
            _beams = _beams with
            {
                ReturnCount = returned,
                LengthPenalty = lengthPenalty ?? _beams.LengthPenalty,
                EarlyStopping = early
                ?? _beams.EarlyStopping
            };
            return;
        }

        if (lengthPenalty is not null || early is not null)
            throw new LineException("'length_penalty' and 'early_stopping' belong to beam search; set 'num_beams' above 1");
        if (returned > 1 && _sampling.IsGreedy)
            throw new LineException("'num_return_sequences' above 1 needs a draw ('temperature' above 0) or beams ('num_beams')");
        _samples = returned;
    }

    // A setting of the draw: a greedy default gives way to temperature 1, unless the line itself says 0.
    private void Draw(SamplingOptions changed, bool setsTemperature = false)
    {
        _sampling = !_drawing && !setsTemperature && _sampling.IsGreedy ? changed with { Temperature = 1 } : changed;
        _drawing = true;
    }

    private static int[] OneOrMore(string name, JsonElement value)
        => value.ValueKind == JsonValueKind.Number ? [LineRequest.IntegerOf(name, value)] : LineRequest.IntegersOf(name, value);

    private static IEnumerable<JsonElement> List(string name, JsonElement value)
        => value.ValueKind == JsonValueKind.Array ? value.EnumerateArray() : throw LineRequest.Wrong(name, "a list");

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
            biases[int.TryParse(field.Name, NumberStyles.None, CultureInfo.InvariantCulture, out int id)
                ? id
                : throw LineRequest.Wrong("logit_bias", "an object of token ids and biases")]
                = LineRequest.NumberOf("logit_bias", field.Value);
        return biases;
    }
}
