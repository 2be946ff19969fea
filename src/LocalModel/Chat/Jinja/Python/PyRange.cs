namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>A Python range.</summary>
internal sealed class PyRange(long start, long stop, long step)
{
    public long Start => start;

    public long Stop => stop;

    public long Step => step;

    public int Count { get; } = CountOf(start, stop, step);

    public object this[int index] => Numbers.Box(start + index * step);

    private static int CountOf(long start, long stop, long step)
    {
        if (step == 0)
            throw Fail.Value("range() arg 3 must not be zero");
        Int128 distance = step > 0 ? (Int128)stop - start : (Int128)start - stop;
        var count = distance <= 0 ? 0 : (distance - 1) / Int128.Abs(step) + 1;
        return count <= TemplateLimits.MaxRange
            ? (int)count
            : throw Fail.Limit($"Range too big. The sandbox blocks ranges larger than {TemplateLimits.MaxRange}.");
    }
}
