# Other forms of generalised Born, with OpenMM's energies and forces (Reference platform): run from the repository, then move what it writes.

import openmm as mm, openmm.app as app, numpy as np, re, os
from openmm import unit
case='tests/molecules/18-other-forms-of-generalised-born/'
pdb=app.PDBFile(case+'mol.pdb')
frames=np.load(case+'frames.npz')['positions']
print(mm.__version__)
def energies(system):
    ctx=mm.Context(system,mm.VerletIntegrator(0.001),mm.Platform.getPlatformByName('Reference'))
    E,F=[],[]
    for x in frames:
        ctx.setPositions(x)
        s=ctx.getState(getEnergy=True,getForces=True)
        E.append(s.getPotentialEnergy()._value); F.append(s.getForces(asNumpy=True)._value)
    return np.array(E),np.array(F)
def save(name,system):
    for f in system.getForces():
        pass
    E,F=energies(system)
    open(name+'.xml','w').write(mm.XmlSerializer.serialize(system))
    np.savez(name+'_expected.npz',energy=E,forces=F)
    print(name,E)
for name,xml,kw in [('gbn','gbn',{}),('gbn2_salt','gbn2',dict(implicitSolventKappa=1.3)),('obc1_salt_cutoff','obc1',dict(implicitSolventKappa=0.7,nonbondedMethod=app.CutoffNonPeriodic,nonbondedCutoff=0.9*unit.nanometer)),('hct_salt','hct',dict(implicitSolventKappa=0.7,solventDielectric=40.0,soluteDielectric=2.0)),
  ('gbn_cutoff','gbn',dict(nonbondedMethod=app.CutoffNonPeriodic,nonbondedCutoff=0.8*unit.nanometer))]:
    ff=app.ForceField('amber14/protein.ff14SB.xml',f'implicit/{xml}.xml')
    args=dict(nonbondedMethod=app.NoCutoff,constraints=None,rigidWater=False); args.update(kw)

    system=ff.createSystem(pdb.topology,**args)
    save(name,system)
# The wording of the user guide: global parameters, radius and scale, everything in one term.
ff=app.ForceField('amber14/protein.ff14SB.xml','implicit/obc2.xml')
system=ff.createSystem(pdb.topology,nonbondedMethod=app.NoCutoff,constraints=None)
old=[f for f in system.getForces() if isinstance(f,mm.CustomGBForce)][0]
i=[k for k,f in enumerate(system.getForces()) if isinstance(f,mm.CustomGBForce)][0]
g=mm.CustomGBForce()
for p in ['q','radius','scale']: g.addPerParticleParameter(p)
g.addGlobalParameter('solventDielectric',78.3); g.addGlobalParameter('soluteDielectric',1)
g.addComputedValue('I','step(r+sr2-or1)*0.5*(1/L-1/U+0.25*(1/U^2-1/L^2)*(r-sr2*sr2/r)+0.5*log(L/U)/r+C);'
  'U=r+sr2; C=2*(1/or1-1/L)*step(sr2-r-or1); L=max(or1, D); D=abs(r-sr2); sr2 = scale2*or2; or1 = radius1-0.009; or2 = radius2-0.009',mm.CustomGBForce.ParticlePairNoExclusions)
g.addComputedValue('B','1/(1/or-tanh(1*psi-0.8*psi^2+4.85*psi^3)/radius); psi=I*or; or=radius-0.009',mm.CustomGBForce.SingleParticle)
g.addEnergyTerm('28.3919551*(radius+0.14)^2*(radius/B)^6-0.5*138.935485*(1/soluteDielectric-1/solventDielectric)*q^2/B',mm.CustomGBForce.SingleParticle)
g.addEnergyTerm('-138.935485*(1/soluteDielectric-1/solventDielectric)*q1*q2/f; f=sqrt(r^2+B1*B2*exp(-r^2/(4*B1*B2)))',mm.CustomGBForce.ParticlePairNoExclusions)
for k in range(old.getNumParticles()):
    q,o,s=old.getParticleParameters(k); g.addParticle([q,o+0.009,s/o])
system.removeForce(i); system.addForce(g)
save('guide',system)
# GBn2 with the screening of sulphur, which is negative (-0.703469), on two of the atoms; and a solvent that is none: the surface alone.
def gb_of(system):
    return [f for f in system.getForces() if isinstance(f,mm.CustomGBForce)][0]
ff=app.ForceField('amber14/protein.ff14SB.xml','implicit/gbn2.xml')
system=ff.createSystem(pdb.topology,nonbondedMethod=app.NoCutoff,constraints=None)
g=gb_of(system)
at={g.getPerParticleParameterName(k):k for k in range(g.getNumPerParticleParameters())}
for k in (4,8):
    p=list(g.getParticleParameters(k)); p[at['sr']]=-0.703469*p[at['or']]; g.setParticleParameters(k,p)
save('gbn2_sulphur',system)
ff=app.ForceField('amber14/protein.ff14SB.xml','implicit/obc2.xml')
save('no_solvent',ff.createSystem(pdb.topology,nonbondedMethod=app.NoCutoff,constraints=None,solventDielectric=1.0))
