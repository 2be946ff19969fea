using System.Text.Json;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;

namespace Kotonoha.Conformance;

/// <summary>Logits processors, draws and beam search: a JSON file of cases beside a safetensors file of the same name.</summary>
internal sealed class SamplingRunner : FixtureRunner
{
    private const double Tolerance = 1e-5;
    private const double ScoreTolerance = 1e-4;

    public override IEnumerable<string> Discover(string root)
    {
        foreach (var file in Directory.EnumerateFiles(root, "*.json", SearchOption.AllDirectories))
        {
            if (!File.Exists(Path.ChangeExtension(file, ".safetensors")))
                continue;
            if (IsSampling(file))
                yield return Path.GetRelativePath(root, file).Replace('\\', '/');
        }
    }

    public override void Run(string root, string family, CaseLog log)
    {
        var file = Path.Combine(root, family);
        using var document = JsonDocument.Parse(File.ReadAllBytes(file));
        using var tensors = SafetensorsFile.Open(Path.ChangeExtension(file, ".safetensors"));
        Kind(document.RootElement)!(document.RootElement, tensors, log);
    }

    private static bool IsSampling(string file)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(file));
            return Kind(document.RootElement) is not null;
        }
        catch (JsonException)
        {
            return false; // a broken file is some other runner's fixture
        }
    }

    private static Action<JsonElement, SafetensorsFile, CaseLog>? Kind(JsonElement root) => root switch
    {
        { ValueKind: JsonValueKind.Object }
            when root.TryGetProperty("tied_rows", out _) && root.TryGetProperty("cases", out _) => Processors,
        { ValueKind: JsonValueKind.Object } when root.TryGetProperty("inverse_cdf", out _) => Draws,
        { ValueKind: JsonValueKind.Object } when root.TryGetProperty("batches", out _) && root.TryGetProperty("cases", out _) => Beams,
        { ValueKind: JsonValueKind.Array } when root.GetArrayLength() > 0 && root[0].TryGetProperty("tau", out _)
            => MirostatDraws,
        { ValueKind: JsonValueKind.Array } when root.GetArrayLength() > 0 && root[0].TryGetProperty("draft_tokens", out _)
            => Speculation,
        _ => null,
    };

    private static void Processors(JsonElement root, SafetensorsFile tensors, CaseLog log)
    {
        int vocabulary = root.GetProperty("vocab_size").GetInt32();
        string[] rows = Strings(root.GetProperty("rows"));
        var tiedRows = Strings(root.GetProperty("tied_rows"));
        float[] logits = tensors.ReadFloats("logits");
        long[] previous = tensors.ReadIntegers("previous_ids");
        int idsPerRow = previous.Length / rows.Length;
        int promptLength = root.GetProperty("prompt_length").GetInt32();
        var scratch = new SamplingScratch(vocabulary);

        foreach (var entry in root.GetProperty("cases").EnumerateArray())
        {
            string name = entry.GetProperty("name").GetString()!;
            var parameters = entry.GetProperty("params");
            var processors = Create(entry.GetProperty("processor").GetString()!, parameters, promptLength);
            if (processors is null)
            {
                log.Skip(name, "this processor is not supported");
                continue;
            }

            float[] expected = tensors.ReadFloats("out." + name);
            var kept = entry.GetProperty("kept");
            var fragile = entry.TryGetProperty("fragile_rows", out var f) ? Strings(f) : [];
            int used = Int(parameters, "use_only_first_n_previous_ids", idsPerRow);
            log.Case(name, () =>
            {
                for (int row = 0; row < rows.Length; row++)
                {
                    if (fragile.Contains(rows[row]))
                        continue;
                    float[] got = logits[(row * vocabulary)..((row + 1) * vocabulary)];
                    int[] ids = [.. previous.Skip(row * idsPerRow).Take(used).Select(id => (int)id)];
                    foreach (var processor in processors)
                        processor.Apply(got, ids, scratch);
                    float[] want = expected[(row * vocabulary)..((row + 1) * vocabulary)];
                    int count = got.Count(x => x > float.NegativeInfinity);
                    if (count != kept[row].GetInt32())
                        return $"row {rows[row]}: {count} tokens kept, expected {kept[row].GetInt32()}";
                    if (tiedRows.Contains(rows[row]))
                    {
                        Array.Sort(got);
                        Array.Sort(want);
                    }

                    if (CaseLog.Compare(got, want, Tolerance, Tolerance) is { } difference)
                        return $"row {rows[row]}: {difference}";
                }

                return null;
            });
        }
    }

    private static LogitsProcessor[]? Create(string processor, JsonElement p, int promptLength)
    {
        int keep = Int(p, "min_tokens_to_keep", 1);
        return processor switch
        {
            "temperature" => [new Temperature(Number(p, "temperature"))],
            "top_k" => [new TopK(Int(p, "top_k", 0), keep)],
            "top_p" => [new TopP(Number(p, "top_p"), keep)],
            "min_p" => [new MinP(Number(p, "min_p"), keep)],
            "typical_p" => [new TypicalP(Number(p, "typical_p"), keep)],
            "epsilon_cutoff" => [new ProbabilityCutoff(Number(p, "epsilon"), entropyAware: false, keep)],
            "eta_cutoff" => [new ProbabilityCutoff(Number(p, "epsilon"), entropyAware: true, keep)],
            "top_h" => [new TopH(Number(p, "top_h"), Int(p, "top_n", TopH.DefaultCandidates))],
            "repetition_penalty" => [new RepetitionPenalty(Number(p, "penalty"), Int(p, "ignore_first", 0))],
            "no_repeat_ngram" => [new NoRepeatNgram(Int(p, "ngram_size", 0))],
            "bad_words" => [TokenSampler.BadWords(Words(p.GetProperty("bad_words_ids")), EndTokens(p))],
            "sequence_bias" => [new SequenceBias(Biases(p.GetProperty("sequence_bias")))],
            "min_length" => [new BannedTokens(EndTokens(p), until: Int(p, "min_length", 0))],
            "min_new_tokens" => [new BannedTokens(EndTokens(p), until: Int(p, "prompt_length", 0) + Int(p, "min_new_tokens", 0))],
            "forced_eos" => [new ForcedTokens(EndTokens(p), Int(p, "max_length", 0) - 1)],
            "forced_bos" => [new ForcedTokens([Int(p, "bos_token_id", 0)], 1)],
            "suppress_tokens" => [new BannedTokens(Ids(p.GetProperty("tokens")))],
            "begin_suppress_tokens" =>
                [new BannedTokens(Ids(p.GetProperty("tokens")), Int(p, "begin_index", 0), Int(p, "begin_index", 0) + 1)],
            "exponential_decay_length_penalty" =>
                [new ExponentialLengthDecay(Int(p, "prompt_length", 0) + Int(p, "start", 0), p.GetProperty("factor").GetDouble(),
                    EndTokens(p))],
            "logit_normalization" => [new LogSoftmax()],
            "presence_frequency" =>
                [new PresenceFrequencyPenalty(Number(p, "presence_penalty"), Number(p, "frequency_penalty"),
                    Int(p, "counted_positions_from", 0))],
            "logit_bias" => [new SequenceBias([.. p.GetProperty("bias").EnumerateObject()
                .Select(b =>
                    new TokenSequenceBias([int.Parse(b.Name, System.Globalization.CultureInfo.InvariantCulture)], b.Value.GetSingle()))])],
            "top_n_sigma" => [new TopNSigma(Number(p, "n"))],
            "xtc" when p.GetProperty("applied").GetBoolean() => [new ExcludeTopChoices(Number(p, "threshold"))],
            "dry" => [new DryPenalty(Number(p, "multiplier"), Number(p, "base"), Int(p, "allowed_length", 0),
                Ids(p.GetProperty("sequence_breakers")))],
            "chain" => Chain(p, promptLength),
            _ => null,
        };
    }

    // All settings at once: through the same options and the same order that generation uses.
    private static LogitsProcessor[]? Chain(JsonElement p, int promptLength)
    {
        var options = new SamplingOptions();
        foreach (var setting in p.EnumerateObject())
            switch (setting.Name)
            {
                case "eos_token_id" or "prompt_length" or "max_length": break;
                case "temperature": options = options with { Temperature = setting.Value.GetSingle() }; break;
                case "top_k": options = options with { TopK = setting.Value.GetInt32() }; break;
                case "top_p": options = options with { TopP = setting.Value.GetSingle() }; break;
                case "top_h": options = options with { TopH = setting.Value.GetSingle() }; break;
                case "min_p": options = options with { MinP = setting.Value.GetSingle() }; break;
                case "typical_p": options = options with { TypicalP = setting.Value.GetSingle() }; break;
                case "epsilon_cutoff": options = options with { EpsilonCutoff = setting.Value.GetSingle() }; break;
                case "eta_cutoff": options = options with { EtaCutoff = setting.Value.GetSingle() }; break;
                case "repetition_penalty": options = options with { RepetitionPenalty = setting.Value.GetSingle() }; break;
                case "no_repeat_ngram_size": options = options with { NoRepeatNgramSize = setting.Value.GetInt32() }; break;
                case "min_new_tokens": options = options with { MinNewTokens = setting.Value.GetInt32() }; break;
                case "bad_words_ids": options = options with { BadWords = Words(setting.Value) }; break;
                case "suppress_tokens": options = options with { SuppressTokens = Ids(setting.Value) }; break;
                case "sequence_bias": options = options with { SequenceBias = Biases(setting.Value) }; break;
                case "min_length": options = options with { MinLength = setting.Value.GetInt32() }; break;
                case "begin_suppress_tokens": options = options with { BeginSuppressTokens = Ids(setting.Value) }; break;
                case "forced_bos_token_id": options = options with { ForcedFirstToken = setting.Value.GetInt32() }; break;
                case "forced_eos_token_id": options = options with { ForcedLastTokens = [setting.Value.GetInt32()] }; break;
                case "exponential_decay_length_penalty":
                    options =
                    options with { LengthDecay = new LengthDecay(setting.Value[0].GetInt32(), setting.Value[1].GetDouble()) }; break;
                case "renormalize_logits": options = options with { RenormalizeLogits = setting.Value.GetBoolean() }; break;
                default: return null;
            }

        return [.. TokenSampler.Processors(options, EndTokens(p), Int(p, "prompt_length", promptLength),
            Int(p, "max_length", int.MaxValue))];
    }

    private static void Draws(JsonElement root, SafetensorsFile tensors, CaseLog log)
    {
        int number = 0;
        foreach (var entry in root.GetProperty("inverse_cdf").EnumerateArray())
        {
            string row = entry.GetProperty("row").GetString()!;
            double u = entry.GetProperty("u").GetDouble();
            log.Case($"inverse_cdf {number++} ({row})", () =>
            {
                double[] weights = [.. tensors.ReadFloats("p." + row)];
                int got = TokenSampler.InverseCdf(weights, u), want = entry.GetProperty("index").GetInt32();
                return got == want ? null : $"token {got}, expected {want}";
            });
        }

        if (root.TryGetProperty("gumbel", out var gumbel))
        {
            var logits = RowLogits(Path.GetDirectoryName(tensors.Path)!);
            foreach (var entry in gumbel.EnumerateArray())
            {
                string row = entry.GetProperty("row").GetString()!;
                log.Case("gumbel " + row, () =>
                {
                    int got = TokenSampler.GumbelMaximum(logits[row], tensors.ReadFloats("gumbel_u." + row)),
                        want = entry.GetProperty("index").GetInt32();
                    return got == want ? null : $"token {got}, expected {want}";
                });
            }
        }
    }

    // The rows that draws and processors share lie in the file of the processors, beside that of the draws.
    private static Dictionary<string, float[]> RowLogits(string folder)
    {
        foreach (var file in Directory.EnumerateFiles(folder, "*.json")
            .Where(f => File.Exists(Path.ChangeExtension(f, ".safetensors")) && IsSampling(f)))
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(file));
            if (Kind(document.RootElement) != Processors)
                continue;
            using var tensors = SafetensorsFile.Open(Path.ChangeExtension(file, ".safetensors"));
            float[] logits = tensors.ReadFloats("logits");
            int vocabulary = document.RootElement.GetProperty("vocab_size").GetInt32();
            return Strings(document.RootElement.GetProperty("rows")).Select((name, row) => (name, row))
                .ToDictionary(r => r.name, r => logits[(r.row * vocabulary)..((r.row + 1) * vocabulary)]);
        }

        return [];
    }

    private static void MirostatDraws(JsonElement root, SafetensorsFile tensors, CaseLog log)
    {
        foreach (var entry in root.EnumerateArray())
        {
            string name = entry.GetProperty("case").ToString();
            log.Case("mirostat " + name, () =>
            {
                float[] logits = tensors.ReadFloats("logits." + name);
                int steps = entry.GetProperty("steps").GetArrayLength(), vocabulary = logits.Length / steps, step = 0;
                var mirostat = new Mirostat(entry.GetProperty("tau").GetDouble(), entry.GetProperty("eta").GetDouble());
                var scratch = new SamplingScratch(vocabulary);
                foreach (var expected in entry.GetProperty("steps").EnumerateArray())
                {
                    if (FixtureTensors.Close(mirostat.Limit, expected.GetProperty("mu_before").GetDouble(), Tolerance, Tolerance)
                        is { } before)
                        return $"step {step}: the limit before is {before}";
                    int token = mirostat.Next(logits.AsSpan(step * vocabulary, vocabulary), expected.GetProperty("u").GetDouble(), scratch);
                    if (token != expected.GetProperty("token").GetInt32())
                        return $"step {step}: token {token}, expected {expected.GetProperty("token").GetInt32()}";
                    if (FixtureTensors.Close(mirostat.Limit, expected.GetProperty("mu_after").GetDouble(), Tolerance, Tolerance)
                        is { } after)
                        return $"step {step}: the limit after is {after}";
                    step++;
                }

                return null;
            });
        }
    }

    private static void Speculation(JsonElement root, SafetensorsFile tensors, CaseLog log)
    {
        foreach (var entry in root.EnumerateArray())
        {
            string name = entry.GetProperty("case").ToString();
            log.Case("speculation " + name, () =>
            {
                int[] tokens = Ids(entry.GetProperty("draft_tokens"));
                float[] draft = tensors.ReadFloats("draft." + name), target = tensors.ReadFloats("target." + name);
                double[] residual = new double[target.Length / (tokens.Length + 1)];
                var (accepted, next) = SpeculativeAcceptance.Decide(
                    draft, target, tokens, entry.GetProperty("uniforms").Numbers(), entry.GetProperty("final_uniform").GetDouble(),
                    residual);
                if (accepted != entry.GetProperty("accepted").GetInt32())
                    return $"{accepted} tokens accepted, expected {entry.GetProperty("accepted").GetInt32()}";
                if (next != entry.GetProperty("next_token").GetInt32())
                    return $"token {next} follows, expected {entry.GetProperty("next_token").GetInt32()}";
                return CaseLog.Compare([.. residual.Select(p => (float)p)], tensors.ReadFloats("residual." + name), Tolerance, Tolerance)
                    is { } difference
                    ? $"residual: {difference}" : null;
            });
        }
    }

    private static void Beams(JsonElement root, SafetensorsFile tensors, CaseLog log)
    {
        int vocabulary = root.GetProperty("vocab_size").GetInt32();
        int number = 0;
        foreach (var entry in root.GetProperty("cases").EnumerateArray())
            log.Case($"case {number++}", () =>
            {
                var (sequences, scores) = Search(entry, Ids(entry.GetProperty("prompt")), tensors, vocabulary);
                return Differs(entry.GetProperty("sequences").EnumerateArray().Select(s => Ids(s)).ToArray(),
                    entry.GetProperty("scores").ValueKind == JsonValueKind.Null
                        ? null
                        : [.. entry.GetProperty("scores").EnumerateArray().Select(s => s.GetDouble())],
                    sequences, scores);
            });

        number = 0;
        foreach (var entry in root.GetProperty("batches").EnumerateArray())
            log.Case($"batch {number++}", () =>
            {
                int eos = entry.GetProperty("eos_token_id").GetInt32(), perPrompt = entry.GetProperty("num_return_sequences").GetInt32(),
                    row = 0;
                foreach (var prompt in entry.GetProperty("prompts").EnumerateArray())
                {
                    var (sequences, scores) = Search(entry, Ids(prompt), tensors, vocabulary);
                    var want = entry.GetProperty("sequences_padded").EnumerateArray().Skip(row).Take(perPrompt)
                        .Select(s => UntilEnd(Ids(s)[prompt.GetArrayLength()..], eos)).ToArray();
                    var wantScores = entry.GetProperty("scores").EnumerateArray().Skip(row).Take(perPrompt).Select(s => s.GetDouble())
                        .ToArray();
                    if (Differs(want, wantScores, sequences, scores) is { } difference)
                        return $"prompt {row / perPrompt}: {difference}";
                    row += perPrompt;
                }

                return null;
            });
    }

    private static (int[][] Sequences, double[] Scores) Search(JsonElement settings, int[] prompt, SafetensorsFile tensors, int vocabulary)
    {
        float[] table = tensors.ReadFloats("table." + settings.GetProperty("table").GetString());
        int[] endTokens = EndTokens(settings);
        int maxNew = settings.GetProperty("max_new_tokens").GetInt32(), ngram = Int(settings, "no_repeat_ngram_size", 0);
        int beamCount = settings.GetProperty("num_beams").GetInt32();
        var scratch = new SamplingScratch(vocabulary);
        var sampling = SamplingOptions.Greedy with { NoRepeatNgramSize = ngram };
        if (beamCount == 1)
        {
            var sampler = new TokenSampler(sampling, endTokens, prompt.Length);
            List<int> ids = [.. prompt];
            do
                ids.Add(sampler.Next(table[(ids[^1] * vocabulary)..((ids[^1] + 1) * vocabulary)], ids.ToArray(), scratch));
            while (ids.Count < prompt.Length + maxNew && !endTokens.Contains(ids[^1]));
            return ([[.. ids.Skip(prompt.Length)]], []);
        }

        var options = ReadOptions(settings);
        options.Validate();
        var search = new BeamSearch(prompt, maxNew, options, TokenSampler.Processors(sampling, endTokens, prompt.Length), endTokens);
        float[] logits = new float[beamCount * vocabulary];
        int[] parents = new int[beamCount], tokens = new int[beamCount];
        do
            for (int beam = 0; beam < beamCount; beam++)
                table.AsSpan(search.Ids(beam)[^1] * vocabulary, vocabulary).CopyTo(logits.AsSpan(beam * vocabulary));
        while (search.Step(logits, parents, tokens, scratch));
        return ([.. search.Results.Select(r => r.Ids)], [.. search.Results.Select(r => r.Score)]);
    }

    /// <summary>The beam settings of a case, in the names of Hugging Face's generate.</summary>
    public static BeamSearchOptions ReadOptions(JsonElement settings) => new()
    {
        BeamCount = settings.GetProperty("num_beams").GetInt32(),
        LengthPenalty = Number(settings, "length_penalty"),
        EarlyStopping = settings.GetProperty("early_stopping").ValueKind switch
        {
            JsonValueKind.True => EarlyStopping.Always,
            JsonValueKind.False => EarlyStopping.WhenUnlikely,
            _ => EarlyStopping.Never,
        },
        ReturnCount = Int(settings, "num_return_sequences", 1),
    };

    private static string? Differs(int[][] want, double[]? wantScores, int[][] got, double[] scores)
    {
        for (int i = 0; i < want.Length; i++)
        {
            if (i >= got.Length || !want[i].AsSpan().SequenceEqual(got[i]))
                return $"hypothesis {i} is [{(i < got.Length ? string.Join(' ', got[i]) : "missing")}], expected "
                    + $"[{string.Join(' ', want[i])}]";
            if (wantScores is not null && !(Math.Abs(scores[i] - wantScores[i]) <= ScoreTolerance))
                return $"hypothesis {i} scores {scores[i]}, expected {wantScores[i]}";
        }

        return got.Length == want.Length ? null : $"{got.Length} hypotheses, expected {want.Length}";
    }

    private static int[] UntilEnd(int[] ids, int eos)
    {
        int end = Array.IndexOf(ids, eos);
        return end < 0 ? ids : ids[..(end + 1)];
    }

    private static string[] Strings(JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetString()!)];

    private static int[] Ids(JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetInt32())];

    private static int[][] Words(JsonElement array) => [.. array.EnumerateArray().Select(e => Ids(e))];

    private static TokenSequenceBias[] Biases(JsonElement array)
        => [.. array.EnumerateArray().Select(e => new TokenSequenceBias(Ids(e[0]), e[1].GetSingle()))];

    private static int Int(JsonElement parameters, string name, int otherwise)
        => parameters.TryGetProperty(name, out var value) ? value.GetInt32() : otherwise;

    private static float Number(JsonElement parameters, string name) => parameters.GetProperty(name).GetSingle();

    private static int[] EndTokens(JsonElement parameters)
        => !parameters.TryGetProperty("eos_token_id", out var value) || value.ValueKind == JsonValueKind.Null ? []
            : value.ValueKind == JsonValueKind.Array ? Ids(value) : [value.GetInt32()];
}
