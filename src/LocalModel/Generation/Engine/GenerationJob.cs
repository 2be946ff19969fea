using System.Diagnostics;
using System.Text;
using System.Threading.Channels;
using Kotonoha.Grammars;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Generation;

/// <summary>
/// Generates one sequence. The engine's thread writes tokens and text into memory that was taken at the start and publishes how far it is;
/// one reader follows behind and makes strings of it on its own thread.
/// </summary>
internal sealed class GenerationJob : EngineJob
{
    // Room for the text; it grows when a vocabulary has longer tokens.
    private const int CharactersPerToken = 8;

    private readonly int[] _ids;
    private readonly int _promptLength;
    private readonly int[] _endTokens;
    private readonly TokenSampler _sampler;
    private readonly GrammarMatcher? _matcher;
    private readonly bool _greedy;
    private readonly Tokenizer? _tokenizer;
    private readonly IDecoderStream? _decoder;
    private readonly StringBuilder _decoded = new(64);
    private readonly OutputText _text;
    private readonly int[] _textEnds;
    private readonly float[] _logProbabilities;
    private readonly TokenLogProbability[] _alternatives = [];
    private readonly Channel<byte> _signal = Channel.CreateBounded<byte>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true, SingleWriter = true });

    private PromptReader _reader;
    private int _length;
    private int _logitRow = -1;
    private bool _decoding;
    private bool _plannedDecode;
    private int _published;
    private FinishReason? _finish;
    private bool _failed;
    private int? _cachedTokens;
    private long _firstToken;
    private long _lastToken;

    /// <summary>Prepares a sequence.</summary>
    /// <param name="prompt">At least one token.</param>
    /// <param name="maxNewTokens">At least one.</param>
    /// <param name="sampling">Validated settings.</param>
    /// <param name="endTokens">The tokens that end the sequence.</param>
    /// <param name="ignoreEndTokens">End tokens do not end it after all.</param>
    /// <param name="stops">Non-empty stop strings.</param>
    /// <param name="tokenizer">Turns its tokens into text; null for tokens alone.</param>
    /// <param name="includeLogProbabilities">Keep each token's log-probability.</param>
    /// <param name="matcher">Says which tokens may come; null for any. It has taken none yet.</param>
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
        GrammarMatcher? matcher,
        CancellationToken cancellation)
        : base(cancellation)
    {
        _ids = new int[prompt.Length + maxNewTokens];
        prompt.CopyTo(_ids);
        _promptLength = _length = prompt.Length;
        _endTokens = ignoreEndTokens ? [] : endTokens;
        _tokenizer = tokenizer;
        _decoder = tokenizer?.StartDecoding(_decoded, incremental: true);
        _matcher = matcher;
        _greedy = sampling.IsGreedy;
        _sampler = new TokenSampler(sampling, endTokens, prompt.Length, prompt.Length + maxNewTokens);
        _text = new OutputText(stops, Math.Min(maxNewTokens * CharactersPerToken, 1 << 16));
        _textEnds = new int[maxNewTokens];
        _logProbabilities = includeLogProbabilities ? new float[maxNewTokens] : [];
    }

    /// <summary>Control tokens that are spelt out in the text.</summary>
    public int[] VisibleTokens { get; init; } = [];

    /// <summary>How many of the likeliest tokens of each place are kept, beside the log-probabilities.</summary>
    public int Top
    {
        get;
        init => _alternatives = new TokenLogProbability[_textEnds.Length * (field = value)];
    }

    public override int MaximumBlocks => Blocks(_ids.Length);

    public override int NeededBlocks => Blocks(_length);

    public override bool CanPause => true;

    public override bool IsDone => _failed || _finish is not null;

    public override bool IsPrefilling => !_decoding && _reader.Planned > 0;

    /// <summary>The tokens generated and published so far.</summary>
    public int Published => Volatile.Read(ref _published);

    public override void Start(KvCache cache)
    {
        base.Start(cache);
        var sequence = cache.NewSequence(_ids.Length, _promptLength);
        _reader = new PromptReader { Sequence = sequence, Prompt = _ids.AsMemory(0, _length), ReusesPrefix = true };
    }

    public override void Pause()
    {
        GiveBack();
        _cachedTokens ??= _reader.CachedTokens;
        _decoding = false;
    }

    public override void Plan(StepPlan plan)
    {
        _logitRow = -1;
        if (_decoding)
        {
            _logitRow = plan.AppendDecode(_ids.AsSpan(_length - 1, 1), _reader.Sequence);
            _plannedDecode = true;
        }
        else if (_reader.Plan(plan))
        {
            _logitRow = plan.WantLogits(_reader.FirstRow + _reader.Planned - 1);
        }
    }

    public override void Accept(in StepResult result, SamplingScratch scratch)
    {
        _reader.Accept();
        _plannedDecode = false;
        if (_logitRow < 0)
            return;
        var row = result.Logits(_logitRow);
        var logits = scratch.Logits.AsSpan(0, row.Length);
        row.CopyTo(logits);
        int token = _sampler.Next(logits, _ids.AsSpan(0, _length), scratch, _matcher, row);
        if (_logProbabilities.Length > 0)
        {
            var softmax = Softmax.Of(row);
            int place = _length - _promptLength;
            _logProbabilities[place] = (float)softmax.LogProbability(row[token]);
            softmax.KeepLikeliest(row, _alternatives.AsSpan(place * Top, Top));
        }

        _decoding = true;
        Take(token);
    }

    public override void Rollback()
    {
        if (_plannedDecode)
            _reader.Sequence.Truncate(_reader.Sequence.Length - 1);
        else
            _reader.Rollback();
        _plannedDecode = false;
    }

    public override void Fail(Exception exception)
    {
        _failed = true;
        _signal.Writer.TryComplete(exception);
    }

    public override void Dispose() => GiveBack();

    /// <summary>Follows the generation: one update for every token that brings text, and one at the end.</summary>
    public async IAsyncEnumerable<GenerationUpdate> ReadAsync()
    {
        int seenTokens = 0, seenText = 0;
        while (true)
        {
            bool more = await _signal.Reader.WaitToReadAsync().ConfigureAwait(false);
            _signal.Reader.TryRead(out _);
            int available = Published;
            for (int token = seenTokens; token < available; token++)
            {
                if (_textEnds[token] == seenText || (token == available - 1 && !more))
                    continue;
                yield return Update(seenTokens, token + 1, seenText, _textEnds[token]);
                seenTokens = token + 1;
                seenText = _textEnds[token];
            }

            if (more)
                continue;
            yield return Update(seenTokens, available, seenText, _textEnds[available - 1]) with
            {
                FinishReason = _finish,
                Usage = new GenerationUsage(
                    _promptLength,
                    available,
                    Stopwatch.GetElapsedTime(Created, Started),
                    Stopwatch.GetElapsedTime(Started, _firstToken),
                    Stopwatch.GetElapsedTime(_firstToken, _lastToken),
                    _greedy ? null : _sampler.Seed,
                    _cachedTokens ?? _reader.CachedTokens),
            };
            yield break;
        }
    }

    private void GiveBack()
    {
        // The next turn of a conversation brings the answer back. Its last token was never run, and neither was one whose step failed.
        if (_decoding)
            _reader.Sequence.Publish(_ids.AsSpan(0, _length - 1));
        _reader.Sequence?.Dispose();
    }

    private GenerationUpdate Update(int firstToken, int endToken, int firstCharacter, int endCharacter) => new(
        _text.Slice(firstCharacter, endCharacter),
        _ids[(_promptLength + firstToken)..(_promptLength + endToken)],
        _logProbabilities.Length == 0 ? [] : _logProbabilities[firstToken..endToken])
    {
        Alternatives = Top == 0
            ? []
            : [.. Enumerable.Range(firstToken, endToken - firstToken).Select(place => _alternatives[(place * Top)..((place + 1) * Top)])],
    };

    private void Take(int token)
    {
        _ids[_length++] = token;
        int generated = _length - _promptLength;
        _lastToken = Stopwatch.GetTimestamp();
        if (generated == 1)
            _firstToken = _lastToken;
        _matcher?.Accept(token);
        if (_matcher?.HasEnded ?? _endTokens.AsSpan().Contains(token))
            _finish = FinishReason.EndToken;
        else if (Decode(token))
            _finish = FinishReason.StopString;
        else if (_matcher?.IsAtEnd == true)
            _finish = FinishReason.EndToken;
        else if (_length == _ids.Length)
            _finish = FinishReason.Length;
        if (_finish is FinishReason.EndToken or FinishReason.Length && Flush())
            _finish = FinishReason.StopString;
        _textEnds[generated - 1] = _text.Released;
        Volatile.Write(ref _published, generated);
        if (_finish is null)
            _signal.Writer.TryWrite(0);
        else
            _signal.Writer.TryComplete();
    }

    private bool Decode(int token)
    {
        if (_tokenizer?.TokenForDecoding(token, skipSpecialTokens: !VisibleTokens.AsSpan().Contains(token)) is { } spelling)
            _decoder!.Push(spelling, endsToken: true);
        return Append();
    }

    // What the decoder still holds is a broken character; it may complete a stop string too.
    private bool Flush()
    {
        _decoder?.Finish();
        bool stopped = Append();
        _text.Complete();
        return stopped;
    }

    private bool Append()
    {
        bool stopped = false;
        foreach (var chunk in _decoded.GetChunks())
            if (_text.Append(chunk.Span))
            {
                stopped = true;
                break;
            }

        _decoded.Clear();
        return stopped;
    }
}
