using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Generation;

/// <summary>One source and how its target is searched for.</summary>
/// <param name="Source">The source's tokens.</param>
/// <param name="Search">The search, begun with the model's start token.</param>
/// <param name="MaxNewTokens">The longest target.</param>
internal sealed record SequenceTask(int[] Source, BeamSearch Search, int MaxNewTokens);

/// <summary>
/// Searches for the targets of several sources at once. Each source is read once; then all searches take their steps together, until the
/// last one ends. All must have the same number of beams. Not thread-safe.
/// </summary>
internal sealed class SequenceSearch(EncoderDecoderModel model, InferenceSession session)
{
    private readonly SamplingScratch _scratch = new(model.VocabularySize);

    /// <summary>Runs the searches to their ends; their results are then in them.</summary>
    /// <param name="tasks">The searches.</param>
    /// <param name="cancellationToken">Looked at between layers.</param>
    public void Run(IReadOnlyList<SequenceTask> tasks, CancellationToken cancellationToken)
    {
        var sources = Batch.Packed(tasks.Select(t => t.Source));
        var encoded = model.Remember(session.Begin(cancellationToken), sources);

        // One more block a beam: while beams change places, a parent and its copy live side by side.
        int tokens = tasks.Sum(t => t.Search.BeamCount * (t.MaxNewTokens / KvCache.BlockTokens + 2) * KvCache.BlockTokens);
        using var cache = session.CreateCache(model.CacheShape, tokens);
        List<Running> running = [.. tasks.Select(t => new Running(t.Search, cache.NewSequence(), model))];
        try
        {
            var targets = new Batch();
            while (running.Count > 0)
            {
                targets.Clear();
                foreach (var one in running)
                    one.AppendTo(targets);
                var pass = session.Begin(cancellationToken);
                var logits = pass.Read(model.Logits(pass, model.Decode(pass, targets, encoded)));
                int rows = targets.Sequences / running.Count;
                var going = new List<int>();
                for (int i = 0; i < running.Count; i++)
                    if (running[i].Accept(logits.Slice(i * rows * model.VocabularySize, rows * model.VocabularySize), _scratch))
                        going.Add(i);
                if (going.Count == running.Count)
                    continue;
                foreach (var ended in running.Where((_, i) => !going.Contains(i)))
                    ended.Dispose();
                running = [.. going.Select(i => running[i])];
                encoded = encoded.Select(going);
            }
        }
        finally
        {
            foreach (var one in running)
                one.Dispose();
        }
    }

    // A search that has not ended: one sequence before its first step, then one for each beam.
    private sealed class Running : IDisposable
    {
        private readonly BeamSearch _search;
        private readonly float[] _logits;
        private readonly int[] _parents;
        private readonly int[] _tokens;
        private KvSequence[] _beams;

        public Running(BeamSearch search, KvSequence sequence, EncoderDecoderModel model)
        {
            _search = search;
            _logits = new float[checked(search.BeamCount * model.VocabularySize)];
            _parents = new int[search.BeamCount];
            _tokens = new int[search.BeamCount];
            _tokens[0] = model.StartTokenId;
            _beams = [sequence];
        }

        public void AppendTo(Batch targets)
        {
            for (int beam = 0; beam < _beams.Length; beam++)
                targets.Append(_tokens.AsSpan(beam, 1), _beams[beam]);
        }

        public bool Accept(ReadOnlySpan<float> logits, SamplingScratch scratch)
        {
            for (int start = 0; start < _logits.Length; start += logits.Length)
                logits.CopyTo(_logits.AsSpan(start));
            if (!_search.Step(_logits, _parents, _tokens, scratch))
                return false;
            if (_beams.Length < _parents.Length)
                _beams = [.. Enumerable.Repeat(_beams[0], _parents.Length)];
            _beams = BeamJob.Children(_beams, _parents);
            return true;
        }

        public void Dispose()
        {
            foreach (var beam in _beams)
                beam.Dispose();
        }
    }
}
