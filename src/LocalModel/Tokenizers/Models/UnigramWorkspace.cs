namespace Kotonoha.LocalModel.Tokenizers.Models;

/// <summary>The best path to every place of a text, and the pieces of the best one to its end.</summary>
internal sealed class UnigramWorkspace
{
    private const int Unreached = -1;
    private double[] scores = [];
    private int[] from = [];
    private int[] ids = [];
    private readonly List<(int Start, int End, int Id)> path = [];

    public int Capacity => scores.Length;

    /// <summary>The pieces from the first to the last.</summary>
    public List<(int Start, int End, int Id)> Path => path;

    /// <summary>How many ways were offered and characters walked since the workspace was made: what a hostile text is measured by.</summary>
    public long Steps { get; set; }

    public void Start(int length)
    {
        if (scores.Length <= length)
        {
            int size = Math.Max(128, length + length / 4 + 1);
            (scores, from, ids) = (new double[size], new int[size], new int[size]);
        }

        Array.Fill(from, Unreached, 0, length + 1);
        scores[0] = 0;
        path.Clear();
    }

    public double ScoreAt(int place) => scores[place];

    /// <summary>A way to a place; of equal ones the first is kept.</summary>
    public void Offer(int start, int end, double score, int id)
    {
        if (from[end] == Unreached || score > scores[end])
            (from[end], scores[end], ids[end]) = (start, score, id);
    }

    /// <summary>Fills <see cref="Path"/>; neighbouring unknown pieces become one.</summary>
    public void TraceBack(int length, int unknownId)
    {
        for (int end = length; end > 0; end = from[end])
        {
            if (ids[end] == unknownId && path.Count > 0 && path[^1].Id == unknownId)
                path[^1] = (from[end], path[^1].End, unknownId);
            else
                path.Add((from[end], end, ids[end]));
        }

        path.Reverse();
    }
}
