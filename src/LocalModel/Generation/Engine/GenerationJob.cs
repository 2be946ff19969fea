using System.Diagnostics;
using System.Text;
using System.Threading.Channels;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Generation;

/// <summary>
/// Generates one sequence. The engine's thread writes tokens and text into memory that was taken at the start and publishes how far it is; one reader
/// follows behind and makes strings of it on its own thread.
/// </summary>
internal sealed class GenerationJob : EngineJob
{
    // Room for the text; it grows when a vocabulary has longer tokens.
    private const int CharactersPerToken = 8;

    private readonly int[] ids;
    private readonly int promptLength;
    private readonly int[] endTokens;
    private readonly TokenSampler sampler;
    private readonly bool greedy;
    private readonly Tokenizer? tokenizer;
    private readonly IDecoderStream? decoder;
    private readonly StringBuilder decoded = new(64);
    private readonly OutputText text;
    private readonly int[] textEnds;
    private readonly float[] logProbabilities;
    private readonly Channel<byte> signal = Channel.CreateBounded<byte>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true, SingleWriter = true });

    private PromptReader reader;
    private int length;
    private int logitRow = -1;
    private bool decoding;
    private bool plannedDecode;
    private int published;
    private FinishReason? finish;
    private bool failed;
    private long firstToken;
    private long lastToken;

    /// <summary>Prepares a sequence.</summary>
    /// <param name="prompt">At least one token.</param>
    /// <param name="maxNewTokens">At least one.</param>
    /// <param name="sampling">Validated settings.</param>
    /// <param name="endTokens">The tokens that end the sequence.</param>
    /// <param name="ignoreEndTokens">End tokens do not end it after all.</param>
    /// <param name="stops">Non-empty stop strings.</param>
    /// <param name="tokenizer">Turns its tokens into text; null for tokens alone.</param>
    /// <param name="includeLogProbabilities">Keep each token's log-probability.</param>
    /// <param name="cancellation">Ends it early.</param>
    public GenerationJob(
        ReadOnlySpan<int> prompt,
        int maxNewTokens,
        SamplingOptions sampling,
        int[] endTokens,
        bool ignoreEndTokens,
        IReadOnlyCollection<string> stops,
        Tokenizer? tokenizer,
        bool includeLogProbabilities,
        CancellationToken cancellation)
        : base(cancellation)
    {
        ids = new int[prompt.Length + maxNewTokens];
        prompt.CopyTo(ids);
        promptLength = length = prompt.Length;
        this.endTokens = ignoreEndTokens ? [] : endTokens;
        this.tokenizer = tokenizer;
        decoder = tokenizer?.StartDecoding(decoded, incremental: true);
        greedy = sampling.IsGreedy;
        sampler = new TokenSampler(sampling, endTokens, prompt.Length, prompt.Length + maxNewTokens);
        text = new OutputText(stops, Math.Min(maxNewTokens * CharactersPerToken, 1 << 16));
        textEnds = new int[maxNewTokens];
        logProbabilities = includeLogProbabilities ? new float[maxNewTokens] : [];
    }

    public override int ReservedBlocks => Blocks(ids.Length);

    public override bool IsDone => failed || finish is not null;

    public override bool IsPrefilling => !decoding;

    /// <summary>The tokens generated and published so far.</summary>
    public int Published => Volatile.Read(ref published);

    public override void Start(KvCache cache)
    {
        base.Start(cache);
        reader = new PromptReader { Sequence = cache.NewSequence(ids.Length, promptLength) };
    }

    public override void Plan(StepPlan plan)
    {
        logitRow = -1;
        if (decoding)
        {
            logitRow = plan.AppendDecode(ids.AsSpan(length - 1, 1), reader.Sequence);
            plannedDecode = true;
        }
        else if (reader.Plan(ids.AsSpan(0, promptLength), plan))
        {
            logitRow = plan.WantLogits(reader.FirstRow + reader.Planned - 1);
        }
    }

    public override void Accept(in StepResult result, SamplingScratch scratch)
    {
        reader.Accept();
        plannedDecode = false;
        if (logitRow < 0)
            return;
        var row = result.Logits(logitRow);
        var logits = scratch.Logits.AsSpan(0, row.Length);
        row.CopyTo(logits);
        int token = sampler.Next(logits, ids.AsSpan(0, length), scratch);
        if (logProbabilities.Length > 0)
            logProbabilities[length - promptLength] = (float)Softmax.Of(row).LogProbability(row[token]);
        decoding = true;
        Take(token);
    }

    public override void Rollback()
    {
        if (plannedDecode)
            reader.Sequence.Truncate(reader.Sequence.Length - 1);
        else
            reader.Rollback();
        plannedDecode = false;
    }

    public override void Fail(Exception exception)
    {
        failed = true;
        signal.Writer.TryComplete(exception);
    }

    public override void Dispose() => reader.Sequence?.Dispose();

    /// <summary>Follows the generation: one update for every token that brings text, and one at the end.</summary>
    public async IAsyncEnumerable<GenerationUpdate> ReadAsync()
    {
        int seenTokens = 0, seenText = 0;
        while (true)
        {
            bool more = await signal.Reader.WaitToReadAsync().ConfigureAwait(false);
            signal.Reader.TryRead(out _);
            int available = Published;
            for (int token = seenTokens; token < available; token++)
            {
                if (textEnds[token] == seenText || (token == available - 1 && !more))
                    continue;
                yield return Update(seenTokens, token + 1, seenText, textEnds[token]);
                seenTokens = token + 1;
                seenText = textEnds[token];
            }

            if (more)
                continue;
            yield return Update(seenTokens, available, seenText, textEnds[available - 1]) with
            {
                FinishReason = finish,
                Usage = new GenerationUsage(
                    promptLength,
                    available,
                    Stopwatch.GetElapsedTime(Created, Started),
                    Stopwatch.GetElapsedTime(Started, firstToken),
                    Stopwatch.GetElapsedTime(firstToken, lastToken),
                    greedy ? null : sampler.Seed),
            };
            yield break;
        }
    }

    private GenerationUpdate Update(int firstToken, int endToken, int firstCharacter, int endCharacter) => new(
        text.Slice(firstCharacter, endCharacter),
        ids[(promptLength + firstToken)..(promptLength + endToken)],
        logProbabilities.Length == 0 ? [] : logProbabilities[firstToken..endToken]);

    private void Take(int token)
    {
        ids[length++] = token;
        int generated = length - promptLength;
        lastToken = Stopwatch.GetTimestamp();
        if (generated == 1)
            firstToken = lastToken;
        if (endTokens.AsSpan().Contains(token))
            finish = FinishReason.EndToken;
        else if (Decode(token))
            finish = FinishReason.StopString;
        else if (length == ids.Length)
            finish = FinishReason.Length;
        if (finish is FinishReason.EndToken or FinishReason.Length && Flush())
            finish = FinishReason.StopString;
        textEnds[generated - 1] = text.Released;
        Volatile.Write(ref published, generated);
        if (finish is null)
            signal.Writer.TryWrite(0);
        else
            signal.Writer.TryComplete();
    }

    private bool Decode(int token)
    {
        if (tokenizer?.TokenForDecoding(token, skipSpecialTokens: true) is { } spelling)
            decoder!.Push(spelling, endsToken: true);
        return Append();
    }

    // What the decoder still holds is a broken character; it may complete a stop string too.
    private bool Flush()
    {
        decoder?.Finish();
        bool stopped = Append();
        text.Complete();
        return stopped;
    }

    private bool Append()
    {
        bool stopped = false;
        foreach (var chunk in decoded.GetChunks())
            if (text.Append(chunk.Span))
            {
                stopped = true;
                break;
            }

        decoded.Clear();
        return stopped;
    }
}
