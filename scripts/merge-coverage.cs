#:property PublishAot=false
// merge-coverage FOLDER: adds up the Cobertura reports below a folder (a line or branch counts as covered when any test project covered
// it) and prints line and branch coverage for every project of src and in all.
using System.Globalization;
using System.Xml.Linq;

var lines = new Dictionary<(string Package, string File, int Line), (bool Hit, int Branches, int Covered)>();
foreach (var report in Directory.EnumerateFiles(args[0], "coverage.cobertura.xml", SearchOption.AllDirectories))
    foreach (var package in XDocument.Load(report).Descendants("package"))
        foreach (var type in package.Descendants("class"))
            foreach (var line in type.Elements("lines").Elements("line"))
            {
                var key = (package.Attribute("name")!.Value, type.Attribute("filename")!.Value, (int)line.Attribute("number")!);
                int branches = 0, covered = 0;
                if (line.Attribute("condition-coverage")?.Value is { } condition)
                {
                    var parts = condition[(condition.IndexOf('(') + 1)..condition.IndexOf(')')].Split('/');
                    (covered, branches) =
                        (int.Parse(parts[0], CultureInfo.InvariantCulture), int.Parse(parts[1], CultureInfo.InvariantCulture));
                }

                lines.TryGetValue(key, out var old);
                lines[key] =
                    (old.Hit || (long)line.Attribute("hits")! > 0, Math.Max(old.Branches, branches), Math.Max(old.Covered, covered));
            }

if (lines.Count == 0)
{
    Console.Error.WriteLine($"merge-coverage: no coverage.cobertura.xml below '{args[0]}'");
    return 1;
}

foreach (var group in lines.GroupBy(l => l.Key.Package).OrderBy(g => g.Key, StringComparer.Ordinal)
    .Select(g => (Name: g.Key, Rows: g.Select(l => l.Value).ToList())).Append(("src", [.. lines.Values])))
{
    double lineShare = 100.0 * group.Rows.Count(r => r.Hit) / group.Rows.Count,
        branchShare = 100.0 * group.Rows.Sum(r => r.Covered) / Math.Max(1, group.Rows.Sum(r => r.Branches));
    Console.WriteLine(
        string.Create(CultureInfo.InvariantCulture, $"  {group.Name,-22} lines {lineShare,5:F1}%  branches {branchShare,5:F1}%"));
}

return 0;
