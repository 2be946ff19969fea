using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Training.Recipes;

/// <summary>How text is masked and paired.</summary>
public sealed record MaskedLanguageModelingOptions
{
    /// <summary>The share of the tokens that are to be predicted.</summary>
    public double MaskedShare { get; init; } = 0.15;

    /// <summary>Whether all pieces of a word are masked together.</summary>
    public bool WholeWords { get; init; } = true;

    /// <summary>The token that stands for a masked one.</summary>
    public string MaskToken { get; init; } = "[MASK]";
}

/// <summary>
/// Pretrains an encoder as BERT was (arXiv:1810.04805): of 15% of the tokens, 80% are replaced by <c>[MASK]</c>, 10% by a random token, 10%
/// stay, and the model predicts what stood there. With <see cref="EncoderHead.Pretraining"/> it also learns whether the second stretch of a
/// pair follows the first one (half of them come from another document): the loss is the sum of both cross entropies. Masks are drawn anew
/// each time (RoBERTa).
/// </summary>
public sealed class MaskedLanguageModeling : EncoderTask
{
    private const ulong Purpose = 0x4D41534B4544544F;
    private readonly MaskedLanguageModelingOptions _options;
    private readonly Document[] _train;
    private readonly Document[] _heldOut;
    private readonly int _mask;
    private readonly int[] _start;
    private readonly int[] _middle;
    private readonly int[] _end;
    private readonly HashSet<int> _special;
    private readonly Batch _batch = new();
    private readonly List<int> _targets = [];
    private readonly List<int> _follows = [];
    private readonly long[] _cumulated;
    private int _length;
    private int _rows;
    private ulong _seed;

    /// <summary>Creates the task.</summary>
    /// <param name="model">A fresh encoder, or one to go on with, with the head MaskedLanguageModel or Pretraining.</param>
    /// <param name="tokenizer">Its tokenizer, with a token for masked ones.</param>
    /// <param name="train">The documents to learn from, each a list of sentences or paragraphs.</param>
    /// <param name="heldOut">The documents to measure on; may be empty.</param>
    /// <param name="options">How text is masked.</param>
    /// <exception cref="TrainingException">The model has another head, there is no text, or the tokenizer lacks the token.</exception>
    public MaskedLanguageModeling(
        EncoderModel model, Tokenizer tokenizer, IReadOnlyList<IReadOnlyList<string>> train, IReadOnlyList<IReadOnlyList<string>> heldOut,
        MaskedLanguageModelingOptions? options = null)
        : base(model, tokenizer)
    {
        ArgumentNullException.ThrowIfNull(train);
        ArgumentNullException.ThrowIfNull(heldOut);
        _options = options ?? new MaskedLanguageModelingOptions();
        if (model.Head is not (EncoderHead.MaskedLanguageModel or EncoderHead.Pretraining))
            throw new TrainingException($"The model has the head {model.Head}; pretraining needs MaskedLanguageModel or Pretraining.");
        _mask = tokenizer.TokenToId(_options.MaskToken)
            ?? throw new TrainingException($"The tokenizer has no token '{_options.MaskToken}'. Train one with it, or name another.");
        (_start, _middle, _end) = Frame(tokenizer);
        _special = [.. tokenizer.SpecialTokens.Select(t => t.Id)];
        _train = [.. train.Select(Read).Where(d => d.Segments.Length > 0)];
        _heldOut = [.. heldOut.Select(Read).Where(d => d.Segments.Length > 0)];
        if (_train.Length == 0)
            throw new TrainingException("There is no text to learn from.");
        if (model.Head == EncoderHead.Pretraining && _train.Length < 2)
            throw new TrainingException("The next sentence is learned from at least two documents: half of the pairs come from two.");
        _cumulated = new long[_train.Length];
        long sum = 0;
        for (int i = 0; i < _train.Length; i++)
            _cumulated[i] = sum += _train[i].Tokens;
    }

    /// <inheritdoc/>
    public override string Name => "masked-language-model";

    internal override ulong Fingerprint
    {
        get
        {
            var hash = new DataHash();
            foreach (var document in _train)
                foreach (var segment in document.Segments)
                    hash.Add(segment.Ids);
            return hash.Value;
        }
    }

    internal override long Size => _cumulated[^1];

    internal override void Prepare(TrainingOptions options)
    {
        _length = ContextLength(options);
        _rows = options.BatchSize;
        _seed = options.Seed;
        if (_length < _start.Length + _middle.Length + _end.Length + 4)
            throw new TrainingException($"A context of {_length} tokens leaves no room for text.");
    }

    internal override DrawnBatch Draw(long step, int microBatch)
    {
        Begin();
        for (int row = 0; row < _rows; row++)
        {
            var random = new Draws(CounterRandom.Key(_seed ^ Purpose, (ulong)step, (ulong)microBatch * (ulong)_rows + (ulong)row));
            long at = (long)(random.Next() * _cumulated[^1]);
            int document = Array.BinarySearch(_cumulated, at + 1);
            Append(_train, document >= 0 ? document : ~document, ref random);
        }

        return new DrawnBatch(_batch.Tokens, TokenLoss.Counted([.. _targets]));
    }

    internal override Tensor Loss(Pass pass) => Loss(Model, pass, _batch, [.. _targets], [.. _follows]);

    /// <summary>The sum of the mean losses of both heads: (1, 1).</summary>
    /// <param name="model">The model.</param>
    /// <param name="pass">The pass.</param>
    /// <param name="batch">Masked pairs.</param>
    /// <param name="targets">What stood at each place, or −100.</param>
    /// <param name="follows">0 where the second stretch of a pair follows the first, 1 where it does not.</param>
    internal static Tensor Loss(EncoderModel model, Pass pass, Batch batch, int[] targets, int[] follows)
    {
        var hidden = model.Forward(pass, batch);

        // The vocabulary's product is taken at the masked places alone.
        int[] places = [.. Enumerable.Range(0, targets.Length).Where(i => targets[i] != CrossEntropyOptions.DefaultIgnoreIndex)];
        var words = places.Length == 0
            ? pass.Constant([0], 1, 1)
            : pass.CrossEntropy(model.Logits(pass, pass.SelectRows(hidden, places), batch), [.. places.Select(i => targets[i])]);
        return model.Head == EncoderHead.Pretraining && model is Bert bert
            ? pass.Add(words, pass.CrossEntropy(bert.NextSentence(pass, hidden, batch), follows))
            : words;
    }

    internal override IReadOnlyList<Measurement> Measure(InferenceSession session, CancellationToken cancellationToken)
    {
        const int Rows = 16;
        if (_heldOut.Length == 0)
            return [];
        double loss = 0;
        int words = 0, right = 0, pairs = 0, told = 0;

        // The same masks at each measurement.
        for (int first = 0; first < _heldOut.Length; first += Rows)
        {
            Begin();
            for (int d = first; d < Math.Min(first + Rows, _heldOut.Length); d++)
            {
                var random = new Draws(CounterRandom.Key(Purpose, 0, (ulong)d));
                Append(_heldOut, d, ref random);
            }

            int[] targets = [.. _targets];
            int[] places = [.. Enumerable.Range(0, targets.Length).Where(i => targets[i] != CrossEntropyOptions.DefaultIgnoreIndex)];
            if (places.Length == 0)
                continue;
            var pass = session.Begin(cancellationToken);
            var hidden = Model.Forward(pass, _batch);
            var scores = pass.LogSoftmax(Model.Logits(pass, pass.SelectRows(hidden, places), _batch));
            var next = Model.Head == EncoderHead.Pretraining && Model is Bert bert ? bert.NextSentence(pass, hidden, _batch) : default;
            var values = pass.Read(scores).ToArray();
            for (int i = 0; i < places.Length; i++)
            {
                var row = values.AsSpan(i * Model.VocabularySize, Model.VocabularySize);
                loss -= row[targets[places[i]]];
                right += System.Numerics.Tensors.TensorPrimitives.IndexOfMax(row) == targets[places[i]] ? 1 : 0;
                words++;
            }

            if (!next.Exists)
                continue;
            var answers = pass.Read(next).ToArray();
            for (int i = 0; i < _follows.Count; i++, pairs++)
                told += (answers[2 * i + 1] > answers[2 * i] ? 1 : 0) == _follows[i] ? 1 : 0;
        }

        if (words == 0)
            return [];
        Measurement[] both = [new Measurement("loss", loss / words), new Measurement("accuracy", (double)right / words)];
        return pairs == 0 ? both : [.. both, new Measurement("next_sentence_accuracy", (double)told / pairs)];
    }

    private void Begin()
    {
        _batch.Clear();
        _targets.Clear();
        _follows.Clear();
    }

    // A pair, or a stretch of one document, of about the context's length.
    private void Append(Document[] documents, int chosen, ref Draws random)
    {
        var document = documents[chosen];
        var ids = new List<int>(_start);
        var words = new List<int>();
        words.AddRange(Enumerable.Repeat(-1, _start.Length));
        int types = 0;
        if (Model.Head == EncoderHead.Pretraining)
        {
            int room = _length - _start.Length - _middle.Length - _end.Length;
            bool other = documents.Length > 1 && (document.Segments.Length < 2 || random.Next() < 0.5);
            int at = random.Below(Math.Max(1, document.Segments.Length - (other ? 0 : 1)));
            int next = Take(document, at, room / 2, ids, words);
            ids.AddRange(_middle);
            words.AddRange(Enumerable.Repeat(-1, _middle.Length));
            types = ids.Count;
            var second = document;
            if (other)
            {
                int there = random.Below(documents.Length - 1);
                second = documents[there >= chosen ? there + 1 : there];
                next = random.Below(second.Segments.Length);
            }
            else if (next >= document.Segments.Length)
            {
                // The first stretch has taken all: the second is what was its last segment.
                next = document.Segments.Length - 1;
            }

            Take(second, next, _length - _end.Length - ids.Count, ids, words);
            _follows.Add(other ? 1 : 0);
        }
        else
        {
            Take(document, random.Below(document.Segments.Length), _length - _end.Length - ids.Count, ids, words);
            types = ids.Count + _end.Length;
        }

        ids.AddRange(_end);
        words.AddRange(Enumerable.Repeat(-1, _end.Length));
        var typeIds = new int[ids.Count];
        if (Model.TextTypes > 1)
            for (int i = types; i < typeIds.Length; i++)
                typeIds[i] = 1;
        Mask(ids, words, ref random);
        _batch.Append([.. ids], typeIds);
    }

    // Takes whole segments from a place on, and cuts the last one; returns the segment to go on with.
    private static int Take(Document document, int segment, int room, List<int> ids, List<int> words)
    {
        int word = words.Count == 0 ? 0 : words.Max() + 1;
        int left = room;
        for (; segment < document.Segments.Length && left > 0; segment++)
        {
            var (tokens, starts) = document.Segments[segment];
            if (tokens.Length > left && left < room)
                break;
            int count = Math.Min(tokens.Length, left);
            for (int i = 0; i < count; i++)
            {
                if (starts[i] || i == 0)
                    word++;
                ids.Add(tokens[i]);
                words.Add(word);
            }

            left -= count;
        }

        return segment;
    }

    private void Mask(List<int> ids, List<int> words, ref Draws random)
    {
        var targets = Enumerable.Repeat(CrossEntropyOptions.DefaultIgnoreIndex, ids.Count).ToArray();
        var groups = Enumerable.Range(0, ids.Count).Where(i => words[i] >= 0)
            .GroupBy(i => _options.WholeWords ? words[i] : i).Select(g => g.ToArray()).ToArray();
        int wanted = Math.Max(1, (int)Math.Round(_options.MaskedShare * groups.Sum(g => g.Length)));
        for (int i = 0; i < groups.Length - 1; i++)
        {
            int other = i + random.Below(groups.Length - i);
            (groups[i], groups[other]) = (groups[other], groups[i]);
        }

        int masked = 0;
        foreach (var group in groups)
        {
            if (masked >= wanted)
                break;
            if (masked > 0 && masked + group.Length > wanted)
                continue;
            foreach (int place in group)
            {
                targets[place] = ids[place];
                double kind = random.Next();
                if (kind < 0.8)
                    ids[place] = _mask;
                else if (kind < 0.9)
                    ids[place] = RandomWord(ref random);
                masked++;
            }
        }

        _targets.AddRange(targets);
    }

    private int RandomWord(ref Draws random)
    {
        int id;
        do
            id = random.Below(Tokenizer.VocabularySize);
        while (_special.Contains(id) && _special.Count < Tokenizer.VocabularySize);
        return id;
    }

    private Document Read(IReadOnlyList<string> sentences)
    {
        var segments = new List<(int[] Ids, bool[] Starts)>();
        long tokens = 0;
        foreach (var sentence in sentences)
        {
            var encoded = Tokenizer.EncodeWithOffsets(sentence, addSpecialTokens: false);
            if (encoded.Ids.Count == 0)
                continue;

            // A word begins behind white space; a WordPiece tokenizer also marks what continues one.
            var starts = new bool[encoded.Ids.Count];
            bool marked = encoded.Tokens.Any(t => t.StartsWith("##", StringComparison.Ordinal));
            for (int i = 0; i < starts.Length; i++)
                starts[i] = i == 0 || encoded.Offsets[i].Start > encoded.Offsets[i - 1].End
                    || (marked && !encoded.Tokens[i].StartsWith("##", StringComparison.Ordinal));
            segments.Add(([.. encoded.Ids], starts));
            tokens += encoded.Ids.Count;
        }

        return new Document([.. segments], tokens);
    }

    // What the tokenizer puts before, between and behind two texts.
    private static (int[] Start, int[] Middle, int[] End) Frame(Tokenizer tokenizer)
    {
        var pair = tokenizer.EncodePair("a", "a");
        int[] ids = [.. pair.Ids];
        int first = IndexOf(0, 0), second = IndexOf(first, 1), last = ids.Length - 1;
        while (last >= 0 && pair.SpecialTokensMask[last])
            last--;
        int between = first;
        while (between < ids.Length && !pair.SpecialTokensMask[between])
            between++;
        return (ids[..first], ids[between..second], ids[(last + 1)..]);

        int IndexOf(int from, int sequence)
        {
            while (from < ids.Length && (pair.SpecialTokensMask[from] || pair.SequenceIds[from] != sequence))
                from++;
            return from;
        }
    }

    private sealed record Document((int[] Ids, bool[] Starts)[] Segments, long Tokens);

    private struct Draws(ulong key)
    {
        private uint _counter;

        public double Next() => CounterRandom.Uniform(key, _counter++);

        public int Below(int count) => Math.Min(count - 1, (int)(Next() * count));
    }
}
