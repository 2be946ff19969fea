using Kotonoha.Conformance;
using Kotonoha.LocalModel.Devices;

// conformance DIR [FAMILY...] [--models DIR]: runs the reference fixtures below DIR. A FAMILY is a path below DIR: that folder or file and
// everything below it; a trailing * makes it a prefix; without one, all. Published models are looked for in --models, by default
// DIR/../models. --device NAME computes on another device than the processor (built with -p:KotonohaTorch=cpu).
string? models = null;
if (Array.IndexOf(args, "--models") is >= 0 and var option)
{
    if (option + 1 >= args.Length)
    {
        Console.Error.WriteLine("conformance: --models needs a folder");
        return 2;
    }

    models = args[option + 1];
    args = [.. args[..option], .. args[(option + 2)..]];
}

if (Array.IndexOf(args, "--device") is >= 0 and var deviceOption)
{
    if (deviceOption + 1 >= args.Length)
    {
        Console.Error.WriteLine("conformance: --device needs a name");
        return 2;
    }

    ComputingDevice.Current = Device.Parse(args[deviceOption + 1], "fp32");
    args = [.. args[..deviceOption], .. args[(deviceOption + 2)..]];
}

if (args.Length == 0 || args[0] is "-h" or "--help")
{
    Console.Error.WriteLine(
        "usage: conformance DIR [FAMILY...] [--models DIR] [--device NAME]   (FAMILY: a path below DIR; a trailing * makes it a prefix)");
    return 2;
}

var root = Path.GetFullPath(args[0]);
if (!Directory.Exists(root))
{
    Console.Error.WriteLine($"conformance: folder '{args[0]}' does not exist");
    return 2;
}

FixtureRunner[] runners = Runners.All(Path.GetFullPath(models ?? Path.Combine(root, "..", "models")));
var families = new SortedDictionary<string, FixtureRunner?>(StringComparer.Ordinal);
foreach (var runner in runners)
    foreach (var family in runner.Discover(root))
        families.TryAdd(family, runner);
foreach (var unknown in Unclaimed(root, [.. families.Keys, .. runners.SelectMany(r => r.Materials(root))]))
    families.TryAdd(unknown, null);

var wanted = args.Skip(1).Select(a => a.Replace('\\', '/').TrimEnd('/')).ToArray();
bool Matches(string family, string pattern)
    => pattern.EndsWith('*')
        ? family.StartsWith(pattern[..^1], StringComparison.Ordinal)
        : family == pattern || family.StartsWith(pattern + "/", StringComparison.Ordinal);
foreach (var pattern in wanted)
    if (!families.Keys.Any(f => Matches(f, pattern)))
    {
        Console.Error.WriteLine($"conformance: no fixture family matches '{pattern}' below '{args[0]}'");
        return 2;
    }

int passed = 0, failed = 0, skipped = 0;
foreach (var (family, runner) in families)
{
    if (wanted.Length > 0 && !wanted.Any(p => Matches(family, p)))
        continue;
    var log = new CaseLog();
    if (runner is null)
        log.Skip(family, "this family is not supported yet");
    else
        try
        {
            runner.Run(root, family, log);
        }
        catch (Exception exception)
        {
            log.Fail(family, $"{exception.GetType().Name}: {exception.Message}");
        }

    var remark = log.SkipReasons.Count == 1 ? $"   ({log.SkipReasons[0]})" : "";
    Console.WriteLine($"{family}: {log.Passed} passed, {log.Failed} failed, {log.Skipped} skipped{remark}");
    foreach (var failure in log.Failures)
        Console.WriteLine($"  FAILED {family} {failure}");
    if (log.SkipReasons.Count > 1)
        foreach (var group in log.SkipReasons.GroupBy(r => r[(r.IndexOf(": ", StringComparison.Ordinal) + 2)..]))
            Console.WriteLine($"  skipped {group.Count()}: {group.Key}");
    passed += log.Passed;
    failed += log.Failed;
    skipped += log.Skipped;
}

Console.WriteLine($"{passed} passed, {failed} failed, {skipped} skipped");
return failed > 0 ? 1 : 0;

// What no runner claims: files and folders two levels down that are not a README and hold no claimed family.
static IEnumerable<string> Unclaimed(string root, IEnumerable<string> claimed)
{
    var taken = claimed.ToArray();
    bool Claimed(string path)
        => taken.Any(t => t == path || t.StartsWith(path + "/", StringComparison.Ordinal)
            || path.StartsWith(t + "/", StringComparison.Ordinal));
    foreach (var top in Directory.EnumerateDirectories(root).Order(StringComparer.Ordinal))
    {
        var name = Path.GetFileName(top);
        if (taken.Contains(name))
            continue;
        foreach (var entry in Directory.EnumerateFileSystemEntries(top).Order(StringComparer.Ordinal))
        {
            var path = $"{name}/{Path.GetFileName(entry)}";
            bool data = Directory.Exists(entry) || entry.EndsWith(".jsonl", StringComparison.Ordinal)
                || entry.EndsWith(".json", StringComparison.Ordinal);
            if (data && !Claimed(path) && Path.GetFileName(entry) is not ("texts.jsonl" or "pairs.jsonl"))
                yield return path;
        }
    }
}
